"""Tests of `probe.probing`: its numbers are those of its scores, which `compare` can read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from metastasis import feature_files
from metastasis.base.errors import InputError
from metastasis.compare import revisions
from metastasis.probe import probing
from metastasis.probe.probe_params import ProbeParams
from metastasis.results import provenance
from metastasis.scores import intervals

NUM, WIDTH = 900, 8
PARTS = ["train", "validation", "test"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with features that tell the labels a little, and the split of 90 slides."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"id": [f"p{number}" for number in range(NUM)]})
    table["label"] = random.integers(0, 2, NUM)
    number = pd.Series(range(NUM)) // 10
    table["slide"] = [f"s{each}" for each in number]
    table["group"] = "slide:" + table["slide"]
    table["region"] = table["id"]
    table["split"] = [PARTS[each % 3] for each in number]
    table.to_csv(tmp_path / "split.csv", index=False)
    features = random.normal(size=(NUM, WIDTH))
    features[:, 0] += 1.5 * table["label"]
    write(tmp_path, table, features)
    known = provenance.Provenance(name="a folder", is_drawn=True)
    provenance.write(tmp_path / "source.json", known)
    return tmp_path


def write(data: Path, table: pd.DataFrame, features: Any) -> None:  # noqa: ANN401  # an array
    (data / "features").mkdir(exist_ok=True)
    index = table.assign(pool="labelled").sample(frac=1, random_state=0)
    matrix = feature_files.create(data / "features", index, WIDTH)
    matrix[:] = features[index.index]


def probe(data: Path, k: int | None = None, name: str = "out") -> dict[str, Any]:
    probing.probe(
        ProbeParams(networks={}, k=k),
        features_folder=data / "features",
        split_path=data / "split.csv",
        source_path=data / "source.json",
        scores_path=data / name / "scores.csv",
        metrics_path=data / name / "probe.json",
    )
    found: dict[str, Any] = json.loads((data / name / "probe.json").read_text())
    return found


def test_the_numbers_are_those_of_the_scores_which_compare_reads(data: Path) -> None:
    found = probe(data)
    [scores] = revisions.read(str(data / "out/scores.csv"))
    assert scores["split"].value_counts().to_dict() == {"validation": 300, "test": 300}
    for name, part in scores.groupby("split"):
        numbers = found[str(name)]
        area = metrics.roc_auc_score(part["label"], part["logit"])
        assert numbers["roc_auc"] == pytest.approx(area, abs=1e-5)
        assert area == pytest.approx(0.85, abs=0.06)
        called = part["logit"] >= 0
        balanced = metrics.balanced_accuracy_score(part["label"], called)
        assert numbers["balanced_accuracy"] == pytest.approx(balanced, abs=1e-5)
        groups, unit = intervals.groups(part)
        assert unit == "slides"
        assert len(np.unique(groups)) == 30
        assert numbers["roc_auc_low"] < area < numbers["roc_auc_high"]
        assert numbers["roc_auc_high"] - numbers["roc_auc_low"] == pytest.approx(0.09, abs=0.03)
        assert "few_shot" not in numbers
    assert found["num_features"] == WIDTH
    assert [found[name] for name in ("slide_disjoint", "unit", "is_drawn")] == [True, "slide", True]


def test_k_adds_the_spread_over_draws_and_changes_nothing_else(data: Path) -> None:
    without, found = probe(data), probe(data, k=5)
    for part in ("validation", "test"):
        few = found[part].pop("few_shot")
        assert few["k"] == 5
        assert 0.5 < few["roc_auc_mean"] < found[part]["roc_auc"]
        assert 0 < few["roc_auc_std"] < 0.2
        assert 0.5 < few["balanced_accuracy_mean"] < found[part]["balanced_accuracy"]
    assert found == without


def test_the_same_features_give_the_same_bytes(data: Path) -> None:
    for name in ("once", "twice"):
        probe(data, k=3, name=name)
    for file in ("scores.csv", "probe.json"):
        assert (data / "once" / file).read_bytes() == (data / "twice" / file).read_bytes()


def test_validation_and_test_labels_do_not_change_the_probe(data: Path) -> None:
    probe(data, name="before")
    table = pd.read_csv(data / "split.csv")
    is_train = table["split"] == "train"
    table["label"] = table["label"].where(is_train, 1 - table["label"])
    table.to_csv(data / "split.csv", index=False)
    probe(data, name="after")
    before, after = (pd.read_csv(data / name / "scores.csv") for name in ("before", "after"))
    assert (before["logit"] == after["logit"]).all()
    assert (before["label"] != after["label"]).all()


def test_without_a_test_part_only_validation_is_reported(data: Path) -> None:
    table = pd.read_csv(data / "split.csv")
    table[table["split"] != "test"].to_csv(data / "split.csv", index=False)
    found = probe(data, k=3)
    assert "test" not in found
    assert found["validation"]["few_shot"]["k"] == 3


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_part_of_one_class_is_refused(data: Path, part: str) -> None:
    table = pd.read_csv(data / "split.csv")
    table.loc[table["split"] == part, "label"] = 1
    table.to_csv(data / "split.csv", index=False)
    with pytest.raises(InputError, match=rf"probe: {part} has the labels \[1\]; expected"):
        probe(data)


def test_a_patch_without_features_is_named(data: Path) -> None:
    table = pd.read_csv(data / "split.csv")
    write(data, table.iloc[1:], np.zeros((NUM, WIDTH)))
    with pytest.raises(InputError, match=r"1 of 300 patches .* have no features \(p0\)"):
        probe(data)


def test_the_end_of_the_grid_is_reported(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(data / "split.csv")
    features = np.repeat(table[["label"]].to_numpy() * 2.0 - 1, WIDTH, axis=1)
    write(data, table, features)
    assert probe(data)["C"] == 1e-5
    assert "C 1e-05 is the end of the grid" in capsys.readouterr().out
