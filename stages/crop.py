"""Cut the centre out of every patch, or hard-link the shards unchanged."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import cropping
from metastasis.base import params, stage


def main(patches: Path, crops: Path) -> None:
    cropping.crop(params.read("crop", cropping.CropParams), patches, crops)


if __name__ == "__main__":
    stage.run(main)
