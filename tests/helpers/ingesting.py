"""Ingests sources like the stage, with all outputs in one folder."""

from pathlib import Path

import pandas as pd

from metastasis.ingest import ingesting


def ingest(source: Path, target: Path, slides: str = "id,slide\n") -> pd.DataFrame:
    """Ingest `source` into the folder `target`, and return the inventory."""
    target.mkdir(exist_ok=True)
    (target / "slides.csv").write_text(slides)
    ingesting.ingest(
        source,
        target / "slides.csv",
        shards_folder=target / "patches",
        inventory_path=target / "inventory.parquet",
        tables_folder=target / "tables",
    )
    return pd.read_parquet(target / "inventory.parquet")
