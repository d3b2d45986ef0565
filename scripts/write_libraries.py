"""Write the locked versions of the libraries that stages declare to libraries.yaml."""

from pathlib import Path

from metastasis.base import pipeline, stage
from metastasis.check import locking


def main(lock: Path, libraries: Path) -> None:
    locking.write(lock, pipeline.FILES, libraries)


if __name__ == "__main__":
    stage.run(main)
