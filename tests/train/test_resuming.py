"""Tests of `train.resuming`: a state comes back bit for bit, or not at all."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from metastasis.base import libraries, pipeline
from metastasis.base.errors import InputError
from metastasis.train import resuming

STATE = resuming.State(
    variables=[
        np.array([1.5, np.pi, -0.0], np.float32),
        np.array(3, np.int64),
        np.zeros((0, 2), np.float32),
        np.array([7, 2**32 - 1], np.uint32),
        *[np.full(2, number, np.float32) for number in range(12)],  # more than one digit
    ],
    average=[np.array([[0.1, 0.2]], np.float32)],
    best=[],
    history=[{"train/loss": 0.1 + 0.2, "eval/auc": 1 / 3}, {"train/loss": 1e-30, "eval/auc": 0.5}],
)

PIPELINE = """
stages:
  train:
    cmd: python stages/train.py
    deps: [data/crops, src/a.py]
    params:
      - train
      - libraries.yaml: [keras]
"""


def same(first: list[NDArray[Any]], second: list[NDArray[Any]]) -> bool:
    pairs = list(zip(first, second, strict=True))
    return all(a.dtype == b.dtype and a.shape == b.shape for a, b in pairs) and all(
        a.tobytes() == b.tobytes() for a, b in pairs
    )


def test_a_state_comes_back_bit_for_bit_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.npz"
    resuming.save(path, STATE)
    found = resuming.load(path)
    assert found is not None
    assert found.history == STATE.history
    assert same(found.variables, STATE.variables)
    assert same(found.average, STATE.average)
    assert found.best == []
    assert [file.name for file in path.parent.iterdir()] == ["state.npz"]


def test_no_state_and_a_half_written_one_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.npz"
    assert resuming.load(path) is None
    assert capsys.readouterr().out == ""
    resuming.save(path, STATE)
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        assert resuming.load(path) is None, cut
        assert "state.npz is damaged and ignored" in capsys.readouterr().out


def test_a_state_with_any_other_byte_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    resuming.save(path, STATE)
    content = path.read_bytes()
    for place in range(0, len(content), 13):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        assert resuming.load(path) is None, place


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with (
        resuming.alone(folder),
        pytest.raises(InputError, match="this member is already training"),
        resuming.alone(folder),
    ):
        pass
    with resuming.alone(folder):
        assert list(folder.iterdir()) == []


def test_what_breaks_while_a_state_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.npz"
    resuming.save(path, STATE)
    before = path.read_bytes()

    def broken(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space"):
        resuming.save(path, STATE)
    assert path.read_bytes() == before


def test_the_key_changes_with_settings_data_code_and_libraries_that_train_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared, other, data = (tmp_path / name for name in ("src/a.py", "src/b.py", "data.npy"))
    declared.parent.mkdir()
    declared.write_text("epochs = 1")
    other.write_text("# the demo's cells")
    data.write_bytes(b"patches")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)

    def key(**settings: object) -> str:
        return resuming.key({"seed": 1} | settings, [data], tmp_path)

    keys = [key(), key(seed=2), key(epochs=3)]
    data.write_bytes(b"patcheS")
    keys.append(key())
    declared.write_text("epochs = 2")
    keys.append(key())
    monkeypatch.setattr(libraries, "version", lambda name: f"0.0 of {name}")
    keys.append(key())
    assert len(set(keys)) == 6
    other.write_text("# a comment in what train doesn't declare")
    monkeypatch.setattr(libraries, "version", lambda name: "0.0 of keras" * (name == "keras"))
    assert key() == keys[-1]


def test_the_projects_own_key_reads_what_dvc_yaml_declares() -> None:
    files = pipeline.code(pipeline.stages([pipeline.ROOT / "dvc.yaml"])["train"])
    named = {path.name for path in files}
    assert {"train.py", "here.py", "fitting.py", "models.py"} < named
    assert not named & {"cells.py", "plotting.py", "gate_figures.py", "evaluating.py"}
    assert resuming.key({}, []) == resuming.key({}, [])
