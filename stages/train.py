"""Train a member and log it with DVCLive; keep the weights with the best validation AUC."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis import members
from metastasis.base import params, stage, starting
from metastasis.train import train_params

with starting.tensorflow():
    from metastasis.train import training


def main(
    seed: int, fold: int, split: Path, crops: Path, network: Path, record: Path, logs: Path
) -> None:
    training.train(
        params.read_some("train", train_params.Recipe),
        members.Member(seed, fold),
        split,
        crops,
        network_path=network,
        record_path=record,
        log_folder=logs,
    )


if __name__ == "__main__":
    stage.run(main)
