"""Tests of `base.files`: same content, same bytes; a file or folder is whole or absent."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.base import files


@given(content=st.dictionaries(st.text(), st.floats(-1e6, 1e6) | st.text() | st.none()))
def test_the_order_of_keys_does_not_change_the_bytes(
    content: dict[str, float | str | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("json")
    files.write_json(folder / "a.json", content)
    files.write_json(folder / "b.json", dict(reversed(content.items())))
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_floats_are_rounded_in_every_depth(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"a": {"b": [1 / 3, np.float64(2 / 3)]}, "n": 3})
    text = (tmp_path / "a.json").read_text()
    assert "0.333333," in text
    assert "0.666667\n" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"a": value})


def test_a_csv_has_unix_line_ends_and_no_index(tmp_path: Path) -> None:
    files.write_csv(tmp_path / "a.csv", pd.DataFrame({"id": ["x"], "logit": [1 / 3]}))
    assert (tmp_path / "a.csv").read_bytes() == b"id,logit\nx,0.333333333\n"


def test_a_folder_that_was_not_finished_does_not_appear(tmp_path: Path) -> None:
    target = tmp_path / "patches"

    def write_half() -> None:
        with files.whole_folder(target) as folder:
            (folder / "000.npy").write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_of_a_killed_run_does_not_reach_the_next(tmp_path: Path) -> None:
    (tmp_path / "patches.partial").mkdir()
    (tmp_path / "patches.partial" / "stale.npy").write_text("stale")
    with files.whole_folder(tmp_path / "patches") as folder:
        (folder / "000.npy").write_text("whole")
    assert [path.name for path in tmp_path.rglob("*.npy")] == ["000.npy"]


def test_a_file_that_was_not_finished_leaves_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "inventory.parquet"
    target.write_text("before")

    def write_half() -> None:
        with files.whole_file(target) as path:
            path.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_of_the_work_is_no_second_run(tmp_path: Path) -> None:
    """A pipe that is full raises the error of a lock that is taken."""
    with pytest.raises(BlockingIOError), files.alone(tmp_path, "it runs already"):
        raise BlockingIOError
