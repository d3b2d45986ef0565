"""Combine the members' scores; calibrate, choose the threshold and write the final model."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import members
from metastasis.base import params, stage, starting
from metastasis.evaluate import evaluate_params

with starting.tensorflow():
    from metastasis.evaluate import evaluating


def main(  # noqa: PLR0913, PLR0917  # one for each file
    networks: Path,
    member_scores: Path,
    split: Path,
    inventory: Path,
    source: Path,
    scores: Path,
    decision: Path,
    model: Path,
    card: Path,
    evaluation: Path,
    metrics: Path,
    plots: Path,
) -> None:
    evaluating.evaluate(
        params.read("evaluate", evaluate_params.EvaluateParams),
        params.read_some("train", members.MemberParams).members,
        params.read_some("data", evaluate_params.ResolutionParams).um_per_pixel,
        networks_folder=networks,
        member_scores_folder=member_scores,
        split_path=split,
        inventory_path=inventory,
        source_path=source,
        scores_path=scores,
        decision_path=decision,
        model_path=model,
        card_path=card,
        evaluation_path=evaluation,
        metrics_path=metrics,
        plots_folder=plots,
    )


if __name__ == "__main__":
    stage.run(main)
