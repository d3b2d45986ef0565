"""Show the network's errors, where it looks, and which labels may be wrong."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import members
from metastasis.base import params, stage, starting

with starting.tensorflow():
    from metastasis.explain import explaining


def main(  # noqa: PLR0913, PLR0917  # one for each file
    network: Path,
    decision: Path,
    scores: Path,
    source: Path,
    crops: Path,
    patches: Path,
    suspicious: Path,
    attention: Path,
    metrics: Path,
    plots: Path,
) -> None:
    explaining.explain(
        params.read_some("train", members.MemberParams).members,
        network_path=network,
        decision_path=decision,
        scores_path=scores,
        source_path=source,
        crops_folder=crops,
        patches_folder=patches,
        suspicious_path=suspicious,
        attention_path=attention,
        metrics_path=metrics,
        plots_folder=plots,
    )


if __name__ == "__main__":
    stage.run(main)
