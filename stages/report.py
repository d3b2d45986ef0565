"""Gather what every stage found on one page, and in a model card."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import stage
from metastasis.report import reporting


def main(  # noqa: PLR0913, PLR0917  # one for each file that is told of
    params: Path,
    source: Path,
    inventory: Path,
    split: Path,
    suspicious: Path,
    decision: Path,
    model: Path,
    verdicts: Path,
    evaluation: Path,
    attention: Path,
    validate_metrics: Path,
    split_metrics: Path,
    train_metrics: Path,
    split_plots: Path,
    train_plots: Path,
    evaluate_plots: Path,
    explain_plots: Path,
    page: Path,
    card: Path,
) -> None:
    reporting.report(
        reporting.Inputs(
            params_path=params,
            source_path=source,
            inventory_path=inventory,
            split_path=split,
            suspicious_path=suspicious,
            decision_path=decision,
            model_path=model,
            verdicts_path=verdicts,
            metrics_paths={
                "validate": validate_metrics,
                "split": split_metrics,
                "train": train_metrics,
                "evaluate": evaluation,
                "explain": attention,
            },
            plots_folders={
                "split": split_plots,
                "train": train_plots,
                "evaluate": evaluate_plots,
                "explain": explain_plots,
            },
        ),
        page_path=page,
        card_path=card,
    )


if __name__ == "__main__":
    stage.run(main)
