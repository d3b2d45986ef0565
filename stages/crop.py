"""Cut the centre out of every patch, or pass the shards through."""

from pathlib import Path

from metastasis import cropping, params, stage


def main(patches: Path, crops: Path) -> None:
    cropping.crop(params.read("crop", cropping.CropParams), patches, crops)


if __name__ == "__main__":
    stage.run(main)
