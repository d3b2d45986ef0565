"""Score with a member of the ensemble the patches that it didn't train on."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import members
from metastasis.base import params, stage, starting
from metastasis.scores import score_params

with starting.tensorflow():
    from metastasis.scores import member_scores


def main(
    seed: int, fold: int, network: Path, record: Path, split: Path, crops: Path, scores: Path
) -> None:
    member_scores.score(
        members.Member(seed, fold),
        params.read_some("evaluate", score_params.ScoreParams).tta,
        network_path=network,
        record_path=record,
        split_path=split,
        crops_folder=crops,
        scores_path=scores,
    )


if __name__ == "__main__":
    stage.run(main)
