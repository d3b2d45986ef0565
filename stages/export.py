"""Write the final model for another runtime, and measure what was written on validation."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import members
from metastasis.base import params, stage, starting
from metastasis.engines import export_params

with starting.tensorflow():
    from metastasis.export import exporting


def main(
    bits: int,
    model: Path,
    split: Path,
    crops: Path,
    source: Path,
    exported: Path,
    metrics: Path,
) -> None:
    asked = export_params.ExportParams.model_validate({"formats": {exported.name: bits}})
    (checked,) = asked.formats.values()
    exporting.export(
        checked,
        params.read_some("train", members.MemberParams).members,
        model_path=model,
        split_path=split,
        crops_folder=crops,
        source_path=source,
        exported_folder=exported,
        metrics_path=metrics,
    )


if __name__ == "__main__":
    stage.run(main)
