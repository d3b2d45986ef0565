"""Write the submission and the predictions for the ids of the sample submission."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage, starting
from metastasis.predict import predict_params

with starting.tensorflow():
    from metastasis.predict import predicting


def main(  # noqa: PLR0913, PLR0917  # one for each file
    model: Path,
    decision: Path,
    split: Path,
    quarantine: Path,
    crops: Path,
    tables: Path,
    scores: Path,
    inventory: Path,
    patches: Path,
    submission: Path,
    predictions: Path,
    unlabelled: Path,
    metrics: Path,
) -> None:
    predicting.predict(
        params.read("predict", predict_params.PredictParams),
        model_path=model,
        decision_path=decision,
        split_path=split,
        quarantine_path=quarantine,
        crops_folder=crops,
        tables_folder=tables,
        scores_path=scores,
        inventory_path=inventory,
        patches_folder=patches,
        submission_path=submission,
        predictions_path=predictions,
        unlabelled_path=unlabelled,
        metrics_path=metrics,
    )


if __name__ == "__main__":
    stage.run(main)
