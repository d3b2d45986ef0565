"""Write the submission with a probability for each id of the sample submission."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage, starting
from metastasis.predict import predict_params

with starting.tensorflow():
    from metastasis.predict import predicting


def main(
    model: Path,
    split: Path,
    quarantine: Path,
    crops: Path,
    tables: Path,
    submission: Path,
    metrics: Path,
) -> None:
    predicting.predict(
        params.read("predict", predict_params.PredictParams),
        model_path=model,
        split_path=split,
        quarantine_path=quarantine,
        crops_folder=crops,
        tables_folder=tables,
        submission_path=submission,
        metrics_path=metrics,
    )


if __name__ == "__main__":
    stage.run(main)
