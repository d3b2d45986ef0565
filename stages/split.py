"""Divide the patches into train, validation and test, and keep slides whole."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage
from metastasis.split import split_params, splitting


def main(
    manifest: Path, inventory: Path, patches: Path, split: Path, metrics: Path, plots: Path
) -> None:
    splitting.split(
        params.read("split", split_params.SplitParams),
        manifest,
        inventory,
        patches,
        split_path=split,
        metrics_path=metrics,
        plots_folder=plots,
    )


if __name__ == "__main__":
    stage.run(main)
