"""Read every image of the source once, and write shards and an inventory of the findings."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import stage
from metastasis.ingest import ingesting


def main(source: Path, slides: Path, patches: Path, inventory: Path, tables: Path) -> None:
    ingesting.ingest(
        source, slides, shards_folder=patches, inventory_path=inventory, tables_folder=tables
    )


if __name__ == "__main__":
    stage.run(main)
