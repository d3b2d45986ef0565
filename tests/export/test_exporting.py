"""Tests of `export.exporting`: what is written scores as Keras does, or says that it doesn't."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from helpers.networks import unsettle
from helpers.patches import write_shards
from metastasis import models, saving, tables
from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.engines import engines, extras
from metastasis.engines.export_params import Bits
from metastasis.export import exporting, quantising
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.results import provenance
from metastasis.results.export import NOTE_NAME, ExportNote

pytestmark = pytest.mark.medium

NUM, SIZE = 48, 32
OPENVINO = ["model.bin", "model.xml"]
needs_nncf = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="NNCF allows no NumPy of this Python"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A final model, patches of noise, and their split; the labels are what the model finds."""
    data = tmp_path_factory.mktemp("data")
    network = models.build("compact", SIZE)
    unsettle(network)
    saving.save(models.to_final([network], 1.5, "d4"), data / "model.keras")
    (data / "crops").mkdir()
    write_shards(data / "crops", NUM, size=SIZE, step=NUM)
    patches = shards.read(data / "crops")
    logits = engines.open_network(data / "model.keras").logits(patches.maps[0])
    table = pd.DataFrame({"id": [f"p{number}" for number in range(NUM)]})
    table["label"] = (logits > np.median(logits)).astype(int)
    table["split"] = np.where(np.arange(NUM) % 3 == 0, "train", "validation")
    table = table.assign(slide="s", patient="", region="", group="s", fold="")
    table.to_csv(data / "split.csv", index=False)
    provenance.write(data / "source.json", provenance.Provenance(name="noise", is_drawn=True))
    return data


def export(
    data: Path, name: str, bits: Bits, chosen: Sequence[Member] = (Member(1, 0),)
) -> tuple[Path, dict[str, Any]]:
    """Export, and return the folder and the metrics."""
    folder = data / "exported" / name
    exporting.export(
        bits,
        chosen,
        model_path=data / "model.keras",
        split_path=data / "split.csv",
        crops_folder=data / "crops",
        source_path=data / "source.json",
        exported_folder=folder,
        metrics_path=data / "metrics.json",
    )
    return folder, json.loads((data / "metrics.json").read_text())


def noted(folder: Path) -> ExportNote:
    """Return the note, after checking that it describes the files beside it."""
    note = records.read(folder / NOTE_NAME, ExportNote)
    written = {path.name: files.sha256(path) for path in folder.iterdir()}
    assert note.files == {name: digest for name, digest in written.items() if name != NOTE_NAME}
    return note


def validation(data: Path) -> shards.UInt8:
    table = tables.read_patches(data / "split.csv")
    patches = shards.read(data / "crops")
    ids = table.loc[table["split"] == "validation", "id"]
    return patches.take(patches.locate(ids, "labelled"))


@pytest.mark.parametrize(
    ("name", "written"),
    [("openvino", ["export.json", *OPENVINO]), ("onnx", ["export.json", "model.onnx"])],
)
def test_an_export_scores_as_its_metrics_say(data: Path, name: str, written: list[str]) -> None:
    folder, metrics = export(data, name, 32)
    assert sorted(path.name for path in folder.iterdir()) == written
    assert metrics["num_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert metrics["bits"] == noted(folder).bits == 32
    assert noted(folder).exported_from == files.sha256(data / "model.keras")
    assert metrics["roc_auc_change_8_bits"] is None
    assert metrics["is_drawn"] is True
    found = expit(engines.open_network(folder).logits(validation(data)))
    expected = expit(engines.open_network(data / "model.keras").logits(validation(data)))
    assert metrics["max_difference"] == pytest.approx(np.abs(found - expected).max(), abs=1e-6)
    assert metrics["roc_auc_keras"] == 1  # by how the labels were made
    assert 0.9 < metrics["roc_auc"] <= 1


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_the_same_model_is_exported_to_the_same_bytes(data: Path, name: str) -> None:
    first = {path.name: path.read_bytes() for path in export(data, name, 32)[0].iterdir()}
    second = {path.name: path.read_bytes() for path in export(data, name, 32)[0].iterdir()}
    assert first == second


@needs_nncf
def test_8_bits_that_keep_the_auc_are_written_and_smaller(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MAX_AREA_CHANGE", 1)
    _, floats = export(data, "openvino", 32)
    folder, metrics = export(data, "openvino", 8)
    assert metrics["bits"] == 8
    assert metrics["num_bytes"] < floats["num_bytes"] / 2
    assert metrics["roc_auc"] - 1 == pytest.approx(metrics["roc_auc_change_8_bits"], abs=1e-6)
    assert sorted(path.name for path in folder.iterdir()) == ["export.json", *OPENVINO]
    assert noted(folder).bits == 8
    assert engines.open_network(folder).logits(validation(data)).shape == (32,)
    first = (folder / "model.bin").read_bytes()
    assert first == (export(data, "openvino", 8)[0] / "model.bin").read_bytes()


@needs_nncf
def test_8_bits_are_not_judged_by_patches_that_members_trained_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With folds, all but one of the members trained on those that validate the first."""
    monkeypatch.setattr(exporting, "MAX_AREA_CHANGE", 1)
    folds = Path(shutil.copytree(data, tmp_path / "data"))
    table = pd.read_csv(folds / "split.csv")
    table["fold"] = np.where(table["split"] == "train", 1, 0)
    table.to_csv(folds / "split.csv", index=False)
    _, metrics = export(folds, "openvino", 8, [Member(1, 0), Member(1, 1)])
    assert metrics["is_learnt"] is True
    assert metrics["bits"] == 32
    told = capsys.readouterr().out
    assert "some members trained on these patches" in told
    assert "the floats of 32 bits are kept" in told
    _, metrics = export(folds, "openvino", 32, [Member(1, 0)])
    assert "is_learnt" not in metrics


@needs_nncf
def test_8_bits_that_change_the_auc_are_refused_with_a_warning(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quantised on a patch of one colour, the network sees nothing of all others."""
    monkeypatch.setattr(
        exporting, "_calibration", lambda *_: np.zeros((1, SIZE, SIZE, 3), np.uint8)
    )
    folder, metrics = export(data, "openvino", 8)
    assert metrics["bits"] == 32
    assert abs(metrics["roc_auc_change_8_bits"]) > 0.001
    assert metrics["roc_auc"] > 0.9
    assert sorted(path.name for path in folder.iterdir()) == ["export.json", *OPENVINO]
    assert noted(folder).bits == 32
    assert "the floats of 32 bits are kept" in capsys.readouterr().out


def test_without_nncf_the_message_says_what_to_do(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    for first, expected in (((3, 99), "make setup EXTRA=openvino"), ((3, 0), "use Python 3.11")):
        monkeypatch.setattr(extras, "NO_NNCF", first)
        with pytest.raises(InputError, match=expected):
            quantising.quantise(data / "model.xml", validation(data), tmp_path / "8.xml")
