"""Tests of `train.fitting`: when training is over. Whole runs are in test_training."""

from pathlib import Path

import keras
import numpy as np
import pytest
from dvclive import Live

from helpers.patches import write_shards
from metastasis.patches import shards
from metastasis.train import feeding, fitting, monitoring

pytestmark = pytest.mark.medium

PLAN = fitting.Plan(epochs=6, patience=2, average_decay=0.0, plateau_rate=None, class_weights=None)


@pytest.mark.parametrize(
    ("scores", "is_over"),
    [
        ([], False),
        ([0.5], False),
        ([0.9, 0.8], False),
        ([0.9, 0.8, 0.9], True),  # as good as the best is no better
        ([0.9, 0.8, 0.91], False),
        ([0.1, 0.2, 0.3, 0.4, 0.5], False),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], True),
    ],
)
def test_training_is_over_with_its_epochs_or_its_patience(
    scores: list[float], *, is_over: bool
) -> None:
    assert PLAN.is_over([{"eval/auc": score} for score in scores]) is is_over


def test_of_equal_epochs_the_first_is_best() -> None:
    assert fitting.best_epoch([{"eval/auc": score} for score in (0.5, 0.8, 0.7, 0.8)]) == 1


def test_class_weights_weigh_the_loss(tmp_path: Path) -> None:
    """A network that says 0.5 of everything, and never learns, loses log 2 on each patch."""
    write_shards(tmp_path, 12, size=8)
    patches = shards.read(tmp_path)
    feed = feeding.Feed(
        patches=patches,
        places=shards.places(patches.index),
        labels=np.repeat(np.array([0, 1], np.float32), [9, 3]),
        batch_size=4,
        seed=1,
        augment=lambda patches, _: patches,
    )
    flat = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1, name="logit")]
    )
    flat.set_weights([np.zeros_like(weight) for weight in flat.get_weights()])
    flat.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy("accuracy"), keras.metrics.AUC(name="auc")],
    )
    table = patches.index[["id"]].assign(label=[0, 1] * 6)
    plan = fitting.Plan(1, 1, average_decay=0.0, plateau_rate=None, class_weights=[0.5, 4.0])
    with Live(tmp_path / "log", dvcyaml=False, save_dvc_exp=False, report=None) as live:
        monitor = monitoring.watch(patches, table)
        desk = fitting.Desk(flat, monitor, live, tmp_path / "state.npz")
        state = fitting.fit(flat, feed, plan, desk)
    (row,) = state.history
    assert row["train/loss"] == pytest.approx((9 * 0.5 + 3 * 4.0) / 12 * np.log(2))
    assert row["eval/loss"] == pytest.approx(np.log(2))  # which no weights touch
