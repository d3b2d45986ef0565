"""Train the network and log it with DVCLive; keep the weights with the best validation AUC."""

from pathlib import Path

import here  # this tree's code, under the project's own settings
from metastasis.base import params, stage, starting
from metastasis.train import train_params

with starting.tensorflow():
    from metastasis.train import training


def main(split: Path, crops: Path, network: Path, logs: Path) -> None:
    training.train(
        params.read("train", train_params.TrainParams),
        split,
        crops,
        network_path=network,
        log_folder=logs,
    )


if __name__ == "__main__":
    stage.run(main)
