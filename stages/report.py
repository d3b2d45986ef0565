"""Gather the findings of every stage on one page and in a model card."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import stage
from metastasis.report import reporting


def main(
    params: Path,
    data: Path,
    models: Path,
    reports: Path,
    metrics: Path,
    plots: Path,
    page: Path,
    card: Path,
) -> None:
    inputs = reporting.Inputs(params, data, models, reports, metrics, plots)
    reporting.report(inputs, page_path=page, card_path=card)


if __name__ == "__main__":
    stage.run(main)
