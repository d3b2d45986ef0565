"""Trains in a few steps, in this process or in one that a test starts and kills."""

from pathlib import Path

import pandas as pd

from helpers.patches import write_shards
from metastasis import members
from metastasis.base import params
from metastasis.train import train_params, training

PARAMS = train_params.Recipe(
    model="compact",
    weights=params.NO_WEIGHTS,
    body_rate=0.1,
    epochs=2,
    patience=5,
    batch_size=4,
    workers=1,
    feed="host",
    optimizer="muon",
    learning_rate=0.001,
    schedule="cosine",
    warmup_epochs=1,
    weight_decay=0.01,
    average_decay=0.99,
    label_smoothing=0.0,
    class_weights="none",
    geometry="d4",
    stain_jitter=0.1,
    focus_jitter=1.0,
    precision="float32",
)


# Shared by devices or machines, this run differs from one on a single device by rounding alone,
# with dropout and augmentation: at this rate, AdamW makes little of small differences.
MILD = {"model": "compact", "optimizer": "adamw", "learning_rate": 1e-4}

# At this low rate only the batch norms' statistics change, before the first dropout not at random.
CALM = {"model": "baseline", "epochs": 1, "learning_rate": 1e-5, "geometry": "none"}


def write_noise(folder: Path) -> None:
    """Write crops of 32 pixels and a split: 12 train, 8 validation, 4 test."""
    (folder / "crops").mkdir()
    write_shards(folder / "crops", 24, size=32)
    split = ["train"] * 12 + ["validation"] * 8 + ["test"] * 4
    table = pd.DataFrame(
        {"id": [f"p{number}" for number in range(24)], "label": [0, 1] * 12, "split": split}
    )
    table.assign(slide="s").to_csv(folder / "split.csv", index=False)


def train(data: Path, out: str = "out", **changes: object) -> Path:
    """Train a member, by default seed 1 and fold 0, and return the folder of the outputs.

    It trains on the crops and the split in `data`.
    """
    seed, fold = changes.pop("seed", 1), changes.pop("fold", 0)
    assert isinstance(seed, int)
    assert isinstance(fold, int)
    training.train(
        PARAMS.model_copy(update=changes),
        members.Member(seed, fold),
        data / "split.csv",
        data / "crops",
        network_path=data / out / "network.keras",
        record_path=data / out / "network.json",
        log_folder=data / out / "metrics",
    )
    return data / out
