"""Tests of `predict.predicting`: the submission is what the sample asks for, in its order."""

import json
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from helpers.patches import inventory, write_shards
from metastasis import models, saving
from metastasis.base import records
from metastasis.base.errors import InputError
from metastasis.formats import sources
from metastasis.patches import shards, symmetries
from metastasis.predict import predict_params, predicting
from metastasis.results import provenance
from metastasis.results.decision import Decision, Sets
from metastasis.results.prediction import MEASURES, Unlabelled
from metastasis.scores import scoring


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """24 unlabelled and 5 labelled patches of 32 pixels, and an untrained network."""
    (tmp_path / "crops").mkdir()
    (tmp_path / "tables").mkdir()
    patches = write_shards(tmp_path / "crops", 29, size=32)
    index = pd.read_parquet(tmp_path / "crops" / shards.INDEX_NAME)
    index["pool"] = ["unlabelled"] * 24 + ["labelled"] * 5
    index["id"] = [*index["id"][:24], *"abcde"]
    shards.write_index(tmp_path / "crops", index)
    shards.write_regions(tmp_path / "crops", pd.DataFrame(columns=list(shards.REGION_COLUMNS)))
    inventory(index, patches).to_parquet(tmp_path / "inventory.parquet")
    labels = {"id": list("abcde"), "label": [1, 0, 0, 1, 1], "slide": "", "region": list("abcde")}
    split = pd.DataFrame(labels | {"split": ["train"] * 3 + ["validation", "test"]})
    split.to_csv(tmp_path / "split.csv", index=False)
    scores = split[split["split"] != "train"].assign(logit=0.5)
    scores.to_csv(tmp_path / "scores.csv", index=False)
    quarantine(tmp_path, [])
    provenance.write(
        tmp_path / "tables" / provenance.TABLE_NAME,
        provenance.Provenance(name="a folder", is_drawn=False),
    )
    saving.save(models.build("compact", 32), tmp_path / "network.keras")
    decide(tmp_path, "none")
    return tmp_path


def ask(data: Path, ids: list[str]) -> None:
    sample = pd.DataFrame({"id": ids, "label": 0})
    sample.to_csv(data / "tables" / sources.SUBMISSION_NAME, index=False)


def decide(data: Path, tta: symmetries.TestTime, temperature: float = 1.0, **sets: Sets) -> None:
    network = keras.saving.load_model(data / "network.keras")
    saving.save(models.to_final([network], temperature, tta), data / "model.keras")
    decision = Decision(tta=tta, temperature=temperature, threshold=0.5, **sets)
    records.write(data / "decision.json", decision)


def quarantine(data: Path, ids: list[str]) -> None:
    rows = [("labelled", "p3", "1", "x: y"), *(("unlabelled", id_, "", "x: y") for id_ in ids)]
    table = pd.DataFrame(rows, columns=["pool", "id", "label", "reason"])
    table.to_csv(data / "quarantine.csv", index=False)


def predict(
    data: Path, *, is_rounded: bool = False, bad_patches: Literal["share", "fail"] = "share"
) -> pd.DataFrame:
    predicting.predict(
        predict_params.PredictParams(
            network="model.keras", round=is_rounded, bad_patches=bad_patches
        ),
        model_path=data / "model.keras",
        decision_path=data / "decision.json",
        split_path=data / "split.csv",
        quarantine_path=data / "quarantine.csv",
        crops_folder=data / "crops",
        tables_folder=data / "tables",
        scores_path=data / "scores.csv",
        inventory_path=data / "inventory.parquet",
        patches_folder=data / "crops",
        submission_path=data / "submission.csv",
        predictions_path=data / "predictions.csv",
        unlabelled_path=data / "unlabelled.json",
        metrics_path=data / "predict.json",
    )
    return pd.read_csv(data / "submission.csv")


def test_probabilities_are_calibrated_by_the_decision(data: Path) -> None:
    ask(data, ["p7", "p3", "p20"])
    plain = predict(data)["label"].to_numpy()
    decide(data, "none", temperature=2.0)
    assert predict(data)["label"].to_numpy() == pytest.approx(expit(logit(plain) / 2), abs=1e-6)


def test_sure_patches_keep_their_rank_in_the_file(data: Path) -> None:
    network = keras.saving.load_model(data / "model.keras")
    kernel, _ = network.get_layer("logit").get_weights()
    network.get_layer("logit").set_weights([kernel, np.array([22.0], np.float32)])
    saving.save(network, data / "model.keras")
    ask(data, ["p7", "p3", "p20"])
    logits = models.to_logits(network).predict_on_batch(
        (patches := shards.read(data / "crops")).take(
            patches.locate(pd.Series(["p7", "p3", "p20"]), "unlabelled")
        )
    )[:, 0]
    assert len(set(logits)) == 3
    written = predict(data)["label"].to_numpy()
    assert written.min() > 1 - 1e-8
    assert np.array_equal(np.argsort(written), np.argsort(logits))


def test_a_submission_keeps_ids_order_and_probabilities(data: Path) -> None:
    asked = ["p7", "p3", "p20"]
    ask(data, asked)
    submission = predict(data)
    assert submission["id"].tolist() == asked
    patches = shards.read(data / "crops")
    model = keras.saving.load_model(data / "model.keras")
    expected = model(patches.take(patches.locate(pd.Series(asked), "unlabelled"))).numpy()[:, 0]
    assert submission["label"].to_numpy() == pytest.approx(expected, abs=1e-5)
    assert len(np.unique(expected)) == 3
    rounded = predict(data, is_rounded=True)
    assert rounded["label"].tolist() == (expected >= 0.5).astype(int).tolist()


def test_patches_are_scored_as_validation_was(data: Path) -> None:
    ask(data, ["p7", "p3"])
    plain = predict(data)["label"].to_numpy()
    decide(data, "d4")
    averaged = predict(data)["label"].to_numpy()
    patches = shards.read(data / "crops")
    places = patches.locate(pd.Series(["p7", "p3"]), "unlabelled")
    logits = scoring.score(data / "network.keras", patches, places, "d4")
    assert averaged == pytest.approx(expit(logits), abs=1e-6)
    assert np.abs(averaged - plain).min() > 1e-6


@pytest.mark.parametrize("lacking", ["sample submission", "rows", "unlabelled patches"])
def test_a_source_that_asks_for_nothing_gets_a_header(
    data: Path, capsys: pytest.CaptureFixture[str], lacking: str
) -> None:
    if lacking == "rows":
        ask(data, [])
    if lacking == "unlabelled patches":
        ask(data, ["p1"])
        index = pd.read_parquet(data / "crops" / shards.INDEX_NAME)
        shards.write_index(data / "crops", index.assign(pool="labelled"))
    predict(data)
    assert (data / "submission.csv").read_text() == "id,label\n"
    assert json.loads((data / "predict.json").read_text())["num_predicted"] == 0
    assert "no unlabelled patches, or no sample_submission.csv" in capsys.readouterr().out


def test_a_bad_patch_gets_the_share_of_positives_in_training_and_is_told_of(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(data, ["p7", "p3", "p20"])
    sound = predict(data).set_index("id")["label"]
    quarantine(data, ["p3", "absent"])
    labels = predict(data).set_index("id")["label"]
    assert labels["p3"] == pytest.approx(1 / 3)
    assert labels[["p7", "p20"]].tolist() == sound[["p7", "p20"]].tolist()
    assert labels.index.tolist() == ["p7", "p3", "p20"]
    numbers = json.loads((data / "predict.json").read_text())
    assert numbers["num_bad"] == 1
    assert "warning: 1 of the unlabelled patches are bad (p3)" in capsys.readouterr().out


def test_patches_that_are_all_bad_or_in_no_shard_still_get_an_answer(data: Path) -> None:
    ask(data, ["p7", "absent"])
    quarantine(data, ["absent", "p7"])
    assert predict(data)["label"].tolist() == pytest.approx([1 / 3, 1 / 3])


def test_a_bad_patch_stops_the_run_when_asked_and_leaves_no_submission(data: Path) -> None:
    ask(data, ["p7", "p3"])
    quarantine(data, ["p3"])
    with pytest.raises(
        InputError, match=r"1 of the unlabelled patches are bad \(p3\); see .*quarantine\.csv"
    ):
        predict(data, bad_patches="fail")
    assert not (data / "submission.csv").exists()


def test_bad_patches_are_answered_for_also_if_no_other_is_there(data: Path) -> None:
    """Then no unlabelled patch is in any shard."""
    index = pd.read_parquet(data / "crops" / shards.INDEX_NAME)
    shards.write_index(data / "crops", index.assign(pool="labelled"))
    ask(data, ["x", "y"])
    quarantine(data, ["x", "y"])
    assert predict(data)["label"].tolist() == pytest.approx([1 / 3, 1 / 3])
    with pytest.raises(InputError, match=r"2 of the unlabelled patches are bad"):
        predict(data, bad_patches="fail")


def test_a_submission_for_drawn_patches_says_so(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(data, ["p7"])
    predict(data)
    assert "are drawn" not in capsys.readouterr().out
    drawn = provenance.Provenance(name="the demo", is_drawn=True)
    provenance.write(data / "tables" / provenance.TABLE_NAME, drawn)
    predict(data)
    assert "predict: the patches are drawn" in capsys.readouterr().out
    assert json.loads((data / "predict.json").read_text())["is_drawn"] is True


def test_predictions_have_the_call_and_with_a_coverage_the_set(data: Path) -> None:
    asked = [f"p{number}" for number in range(20)]
    ask(data, asked)
    submission = predict(data)
    probabilities = submission["label"].to_numpy()
    plain = pd.read_csv(data / "predictions.csv")
    assert list(plain) == ["id", "probability", "call"]
    assert plain["id"].tolist() == asked
    assert plain["probability"].to_numpy() == pytest.approx(probabilities, rel=1e-8)
    called = np.where(probabilities >= 0.5, "tumour", "no tumour")
    assert plain["call"].tolist() == called.tolist()
    # Between the two thresholds lie some patches, but not all.
    low, high = np.quantile(probabilities, [0.3, 0.7])
    sets = Sets(coverage=0.9, tumour_from=low, no_tumour_from=1 - high)
    decision = Decision(tta="none", temperature=1.0, threshold=(low + high) / 2, sets=sets)
    records.write(data / "decision.json", decision)
    quarantine(data, ["p3"])
    predict(data)
    held = pd.read_csv(data / "predictions.csv", dtype="str", na_filter=False).set_index("id")
    expected = np.select(
        [probabilities < low, probabilities > high], ["no tumour", "tumour"], "both"
    )
    assert held["set"].drop("p3").tolist() == np.delete(expected, 3).tolist()
    assert held["set"].value_counts().to_dict().keys() == {"no tumour", "tumour", "both"}
    # Nobody saw its pixels.
    assert held[held.index == "p3"].to_numpy().tolist() == [["", "", "both"]]
    assert list(pd.read_csv(data / "submission.csv")) == ["id", "label"]


def test_what_was_scored_is_compared_with_what_is_labelled(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(data, ["p7", "p3", "p20"])
    quarantine(data, ["p3"])
    known = pd.read_parquet(data / "inventory.parquet").set_index("id", drop=False)
    columns = ["shard", "row", "sha1", "perceptual_hash", "std"]
    known.loc["e", columns] = known.loc["p20", columns]
    known.to_parquet(data / "inventory.parquet", index=False)
    predict(data)
    told = records.read(data / "unlabelled.json", Unlabelled)
    assert (told.num_patches, told.num_validation, told.num_copies) == (2, 1, 1)
    assert [shift.measure for shift in told.shifts] == list(MEASURES)
    metrics = json.loads((data / "predict.json").read_text())
    assert metrics["num_copies"] == 1
    assert metrics["largest_shift"] is told.largest is None  # one patch of validation says nothing
    assert "1 of the 2 unlabelled patches are copies of labelled ones" in capsys.readouterr().out


def test_without_patches_there_are_no_predictions(data: Path) -> None:
    ask(data, [])
    predict(data)
    assert (data / "predictions.csv").read_text() == "id,probability,call\n"
