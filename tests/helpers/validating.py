"""Runs the gate on sources like the stage, with all outputs in one folder."""

from pathlib import Path

import pandas as pd

from helpers.files import ROOT
from helpers.ingesting import ingest
from metastasis.base import params
from metastasis.validate import validate_params, validating

PARAMS = params.read("validate", validate_params.ValidateParams, ROOT / "params.yaml")


def validate(
    source: Path, out: Path, slides: str = "id,slide\n", **changes: object
) -> pd.DataFrame:
    """Ingest `source` into the folder `out`, judge it, and return the manifest."""
    ingest(source, out, slides)
    return judged(source, out, **changes)


def judged(source: Path, out: Path, **changes: object) -> pd.DataFrame:
    """Judge a source that was ingested before, without the patches in `out`/leave-out.csv."""
    validating.validate(
        PARAMS.model_copy(update=changes),
        source_path=source,
        leave_out_path=out / "leave-out.csv",
        tables_folder=out / "tables",
        inventory_path=out / "inventory.parquet",
        shards_folder=out / "patches",
        manifest_path=out / "manifest.csv",
        quarantine_path=out / "quarantine.csv",
        metrics_path=out / "validate.json",
        plots_folder=out / "plots",
        report_path=out / "validate.html",
        verdicts_path=out / "verdicts.csv",
    )
    return pd.read_csv(out / "manifest.csv", dtype="str")
