"""Tests of `explain.explaining`: galleries hold the patches they name, in order."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from helpers.files import assert_same_bytes
from helpers.patches import write_shards
from metastasis import models, saving
from metastasis.base import records
from metastasis.explain import explaining, explanation_figures
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.results import provenance
from metastasis.results.decision import Decision

PROBABILITIES = [0.9, 0.2, 0.6, 0.05, 0.45, 0.99]
LABELS = [1, 1, 0, 0, 1, 0]
REGIONS = pd.DataFrame(
    [("p0", "labelled", f"p{number}", 16 * number, 0) for number in range(3)],
    columns=shards.REGION_COLUMNS,
)


@pytest.fixture
def scores() -> pd.DataFrame:
    """Six test patches, of which 1 and 4 are missed, and 2 and 5 called without tumour."""
    table = pd.DataFrame({"id": [f"p{number}" for number in range(6)], "split": "test"})
    table = table.assign(label=LABELS, slide=None, probability=PROBABILITIES)
    return table.assign(is_called=table["probability"] >= 0.5)


def explain(folder: Path, out: Path, scores: pd.DataFrame) -> dict[str, Any]:
    (folder / "crops").mkdir(exist_ok=True)
    write_shards(folder / "crops", 8, size=32)
    (folder / "patches").mkdir(exist_ok=True)
    write_shards(folder / "patches", 8, size=96)
    shards.write_regions(folder / "patches", REGIONS)
    keras.utils.set_random_seed(1)
    saving.save(models.build("compact", 32), folder / "network.keras")
    provenance.write(folder / "source.json", provenance.Provenance(name="a folder", is_drawn=False))
    records.write(folder / "decision.json", Decision(tta="none", temperature=1.0, threshold=0.5))
    table = scores.assign(logit=logit(scores["probability"]))
    table[["id", "split", "label", "slide", "logit"]].to_csv(folder / "scores.csv", index=False)
    explaining.explain(
        [Member(seed=1, fold=0)],
        network_path=folder / "network.keras",
        decision_path=folder / "decision.json",
        scores_path=folder / "scores.csv",
        source_path=folder / "source.json",
        crops_folder=folder / "crops",
        patches_folder=folder / "patches",
        suspicious_path=out / "suspicious.csv",
        attention_path=out / "attention.json",
        metrics_path=out / "explain.json",
        plots_folder=out / "plots",
    )
    numbers: dict[str, Any] = json.loads((out / "attention.json").read_text())
    return numbers


def test_each_gallery_holds_its_patches_the_clearest_first(scores: pd.DataFrame) -> None:
    chosen = explaining.galleries(scores, 0.5)
    ids = {name: list(found["id"]) for name, (_, found) in chosen.items()}
    assert ids["false-positives"] == ["p5", "p2"]
    assert ids["false-negatives"] == ["p1", "p4"]
    assert ids["uncertain"][:2] == ["p4", "p2"]


def test_all_is_written_the_same_twice_and_the_table_can_be_looked_up(
    tmp_path: Path, scores: pd.DataFrame
) -> None:
    numbers = explain(tmp_path, tmp_path / "a", scores)
    assert numbers["num_patches"] == 1
    assert numbers["num_suspicious"] == 4
    assert numbers["centre_area"] == 1  # of crops of 32 pixels
    compared = json.loads((tmp_path / "a" / "explain.json").read_text())
    assert list(compared) == ["occlusion_in_centre", "grad_cam_in_centre", "num_suspicious"]
    assert compared == {name: numbers[name] for name in compared}
    explain(tmp_path, tmp_path / "b", scores)
    assert_same_bytes(tmp_path / "a", tmp_path / "b", 9)
    table = pd.read_csv(tmp_path / "a" / "suspicious.csv")
    assert list(table.columns) == ["id", "split", "slide", "label", "probability", "reason"]
    assert table["probability"].to_numpy() == pytest.approx([0.99, 0.2, 0.6, 0.45])


def test_a_network_without_errors_or_finds_leaves_empty_galleries(
    tmp_path: Path, scores: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    right = scores[~scores["is_called"] & (scores["label"] == 0)]
    numbers = explain(tmp_path, tmp_path / "out", right)
    assert numbers["grad_cam_in_centre"] is None
    assert "isn't measured: no patch with tumour" in capsys.readouterr().out
    assert (tmp_path / "out" / "plots" / "false-positives.png").exists()


def test_without_a_test_part_validation_is_shown(tmp_path: Path, scores: pd.DataFrame) -> None:
    validation = scores.assign(split="validation")
    assert explain(tmp_path, tmp_path / "out", validation)["num_patches"] == 1


def test_the_attention_of_random_weights_is_that_of_a_seed() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    model = models.build("compact", 32)
    assert explaining.measure_attention(model, patches) == explaining.measure_attention(
        model, patches
    )


def test_the_maps_of_an_ensemble_say_whose_they_are() -> None:
    first, second = Member(seed=3, fold=1), Member(seed=4, fold=1)
    assert explaining._whose([first]) == ""  # noqa: SLF001
    whose = explaining._whose([first, second])  # noqa: SLF001
    assert whose == "the first of 2 members: seed 3, fold 1"
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    heat = np.zeros((1, 32, 32), np.float32)
    rows = {"all": explanation_figures.Attended(pixels, ["a"], heat, heat)}
    titles = [explanation_figures.attention(rows, text).get_suptitle() for text in ("", whose)]
    assert titles == ["Where the network looks", f"Where the network looks ({whose})"]
