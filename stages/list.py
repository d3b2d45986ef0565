"""List a folder of very many files in one small file, which DVC checks in its place."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import stage
from metastasis.formats import listings


def main(folder: Path, listing: Path) -> None:
    listings.write(folder, listing)


if __name__ == "__main__":
    stage.run(main)
