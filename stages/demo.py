"""Draw the demo source: patches in Kaggle's layout, so that a fresh clone needs no download."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage
from metastasis.demo import demo, demo_params


def main(source: Path, truth: Path) -> None:
    """Write the source's folder, and the folder of ground truth that no stage reads."""
    demo.draw(params.read("demo", demo_params.DemoParams), source, truth)


if __name__ == "__main__":
    stage.run(main)
