"""Check labels and images against the gate's rules; list the usable labelled patches."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage
from metastasis.ingest import data_params
from metastasis.validate import validate_params, validating


def main(
    tables: Path,
    inventory: Path,
    patches: Path,
    manifest: Path,
    quarantine: Path,
    report: Path,
    metrics: Path,
    plots: Path,
    verdicts: Path | None = None,  # optional when run by hand
) -> None:
    validating.validate(
        params.read("validate", validate_params.ValidateParams),
        source_path=Path(params.read_some("data", data_params.SourceParams).source),
        leave_out_path=Path(params.LEAVE_OUT),
        tables_folder=tables,
        inventory_path=inventory,
        shards_folder=patches,
        manifest_path=manifest,
        quarantine_path=quarantine,
        report_path=report,
        verdicts_path=verdicts,
        metrics_path=metrics,
        plots_folder=plots,
    )


if __name__ == "__main__":
    stage.run(main)
