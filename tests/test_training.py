"""Tests of `metastasis.training`: a whole run in a few steps on coloured noise."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bytes
from numpy.typing import NDArray
from test_shards import write

from metastasis import augmenting, scoring, shards, training
from metastasis.errors import InputError

pytestmark = pytest.mark.medium

PARAMS = training.TrainParams(
    seed=1,
    model="compact",
    epochs=2,
    patience=5,
    batch_size=4,
    learning_rate=0.001,
    schedule="cosine",
    warmup_epochs=1,
    weight_decay=0.01,
    geometry="d4",
    stain_jitter=0.1,
    precision="float32",
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with crops of 32 pixels and a split: 12 train, 8 validation, 4 test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crops").mkdir()
    write(tmp_path / "crops", 24, size=32)
    split = ["train"] * 12 + ["validation"] * 8 + ["test"] * 4
    table = pd.DataFrame(
        {"id": [f"p{number}" for number in range(24)], "label": [0, 1] * 12, "split": split}
    )
    table.assign(slide="s").to_csv(tmp_path / "split.csv", index=False)
    return tmp_path


def train(data: Path, out: str = "out", **changes: object) -> Path:
    training.train(
        PARAMS.model_copy(update=changes),
        data / "split.csv",
        data / "crops",
        model_path=data / out / "model.keras",
        log_folder=data / out / "metrics",
        plots_folder=data / out / "plots",
    )
    return data / out


def weights(folder: Path) -> list[NDArray[np.float32]]:
    arrays: list[NDArray[np.float32]] = keras.saving.load_model(
        folder / "model.keras"
    ).get_weights()
    return arrays


def test_two_runs_give_the_same_bytes_and_another_seed_other_weights(data: Path) -> None:
    first, second, other = train(data, "a"), train(data, "b"), train(data, "c", seed=2)
    assert_same_bytes(first, second, 10)
    pairs = zip(weights(first), weights(other), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


def test_it_stops_when_validation_does_not_improve_and_saves_the_best_epoch(data: Path) -> None:
    # A rate this high moves the loss far in every epoch.
    out = train(data, epochs=30, patience=1, schedule="constant", learning_rate=0.03)
    auc, loss = (
        pd.read_csv(out / f"metrics/plots/metrics/eval/{name}.tsv", sep="\t")[name]
        for name in ("auc", "loss")
    )
    best = int(auc.argmax())
    assert len(auc) == best + 2 < 30
    table = pd.read_csv(data / "split.csv").query("split == 'validation'")
    patches = shards.read(data / "crops")
    logits = scoring.score(out / "model.keras", patches, patches.locate(table["id"], "labelled"))
    saved_loss = np.logaddexp(0, np.where(table["label"] == 1, -logits, logits)).mean()
    assert saved_loss == pytest.approx(loss[best], rel=1e-4)
    assert saved_loss != pytest.approx(loss[best + 1], rel=1e-3)


def test_every_epoch_is_logged_with_a_rate_that_warms_up_and_follows_the_cosine(
    data: Path,
) -> None:
    out = train(data, epochs=3, learning_rate=0.01)
    logged = {
        name: pd.read_csv(out / "metrics" / "plots" / "metrics" / f"{name}.tsv", sep="\t")
        for name in ("train/loss", "train/auc", "train/learning_rate", "eval/loss", "eval/auc")
    }
    assert {len(table) for table in logged.values()} == {3}
    # 3 steps an epoch: full height after the warm-up epoch, then half of the cosine's 6 steps.
    rates = logged["train/learning_rate"]["learning_rate"]
    assert rates.tolist() == pytest.approx([0.01, 0.00505, 0.0001], rel=1e-3)
    metrics = json.loads((out / "metrics" / "metrics.json").read_text())
    assert metrics["best_auc"] == pytest.approx(logged["eval/auc"]["auc"].max())
    assert metrics["slide_disjoint"] is False  # one slide in every part


def test_a_constant_rate_is_constant(data: Path) -> None:
    out = train(data, schedule="constant", learning_rate=0.002)
    rates = pd.read_csv(out / "metrics/plots/metrics/train/learning_rate.tsv", sep="\t")
    assert rates["learning_rate"].tolist() == pytest.approx([0.002, 0.002])


def test_a_loss_that_is_no_number_stops_with_its_epoch_and_leaves_no_model(data: Path) -> None:
    with pytest.raises(InputError, match=r"stopped being a number in epoch \d+.*learning_rate"):
        train(data, learning_rate=1e30, schedule="constant", epochs=5)
    assert not (data / "out" / "model.keras").exists()


def test_fewer_patches_than_a_batch_are_told(data: Path) -> None:
    with pytest.raises(InputError, match="12 training patches are fewer than one batch"):
        train(data, batch_size=64)


def test_the_baseline_trains_too(data: Path) -> None:
    assert (train(data, model="baseline", epochs=1) / "model.keras").exists()


def test_p4m_trains_in_bfloat16_and_is_saved_as_invariant(data: Path) -> None:
    out = train(data, model="p4m", precision="bfloat16", epochs=1)
    model = keras.saving.load_model(out / "model.keras")
    patches = shards.read(data / "crops")
    patch = patches.take(patches.locate(pd.Series(["p20"]), "labelled"))
    turned = augmenting.turn(np.repeat(patch, 8, axis=0), np.arange(8))
    assert np.ptp(model(turned)) <= 1e-5
