"""Run a frozen network once over every patch, and write its features."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import stage, starting

with starting.tensorflow():
    from metastasis.features import extracting


def main(network: Path, crops: Path, features: Path) -> None:
    extracting.extract(network, crops, features)


if __name__ == "__main__":
    stage.run(main)
