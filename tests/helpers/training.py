"""Trains in a few steps, in this process or in one that a test starts and kills."""

from pathlib import Path

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


# At this low rate only the batch norms' statistics change, before the first dropout not at random.
CALM = {"model": "baseline", "epochs": 1, "learning_rate": 1e-5, "geometry": "none"}


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
