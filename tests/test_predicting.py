"""Tests of `metastasis.predicting`: the submission is what the sample asks for, in its order."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from test_shards import write

from metastasis import models, predicting, saving, shards, sources


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Crops of 24 test patches of 32 pixels, and an untrained network."""
    (tmp_path / "crops").mkdir()
    (tmp_path / "tables").mkdir()
    write(tmp_path / "crops", 24, size=32)
    index = pd.read_parquet(tmp_path / "crops" / shards.INDEX_NAME)
    shards.write_index(tmp_path / "crops", index.assign(pool="test"))
    saving.save(models.build("compact", 32), tmp_path / "model.keras")
    return tmp_path


def ask(data: Path, ids: list[str]) -> None:
    sample = pd.DataFrame({"id": ids, "label": 0})
    sample.to_csv(data / "tables" / sources.SUBMISSION_NAME, index=False)


def predict(data: Path, *, is_rounded: bool = False) -> pd.DataFrame:
    predicting.predict(
        predicting.PredictParams(round=is_rounded),
        model_path=data / "model.keras",
        crops_folder=data / "crops",
        tables_folder=data / "tables",
        submission_path=data / "submission.csv",
        metrics_path=data / "predict.json",
    )
    return pd.read_csv(data / "submission.csv")


def test_a_submission_keeps_ids_order_and_probabilities(data: Path) -> None:
    asked = ["p7", "p3", "p20"]
    ask(data, asked)
    submission = predict(data)
    assert submission["id"].tolist() == asked
    patches = shards.read(data / "crops")
    model = keras.saving.load_model(data / "model.keras")
    expected = model(patches.take(patches.locate(pd.Series(asked), "test"))).numpy()[:, 0]
    assert submission["label"].to_numpy() == pytest.approx(expected, abs=1e-5)
    assert len(np.unique(expected)) == 3
    rounded = predict(data, is_rounded=True)
    assert rounded["label"].tolist() == (expected >= 0.5).astype(int).tolist()


@pytest.mark.parametrize("lacking", ["sample submission", "rows", "test patches"])
def test_a_source_that_asks_for_nothing_gets_a_header(
    data: Path, capsys: pytest.CaptureFixture[str], lacking: str
) -> None:
    if lacking == "rows":
        ask(data, [])
    if lacking == "test patches":
        ask(data, ["p1"])
        index = pd.read_parquet(data / "crops" / shards.INDEX_NAME)
        shards.write_index(data / "crops", index.assign(pool="labelled"))
    predict(data)
    assert (data / "submission.csv").read_text() == "id,label\n"
    assert json.loads((data / "predict.json").read_text())["num_patches"] == 0
    assert "no test patches, or no sample_submission.csv" in capsys.readouterr().out
