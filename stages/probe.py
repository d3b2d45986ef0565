"""Fit a linear probe on the features of a frozen network, and measure it."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage
from metastasis.probe import probe_params, probing


def main(features: Path, split: Path, source: Path, scores: Path, metrics: Path) -> None:
    probing.probe(
        params.read("probe", probe_params.ProbeParams),
        features_folder=features,
        split_path=split,
        source_path=source,
        scores_path=scores,
        metrics_path=metrics,
    )


if __name__ == "__main__":
    stage.run(main)
