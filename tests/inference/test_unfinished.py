"""Tests of the state of an interrupted run."""

import os
from pathlib import Path

import numpy as np
import pytest

from metastasis.base.errors import InputError
from metastasis.inference import unfinished

ROWS = np.arange(15, dtype=np.float32).reshape(5, 3)


def test_rows_are_read_back_in_whole_bands(tmp_path: Path) -> None:
    state = unfinished.state(tmp_path, 3, {}, [])
    assert state.read(2).shape == (0, 3)
    state.append(ROWS[:2])
    state.append(ROWS[2:])
    np.testing.assert_array_equal(state.read(1), ROWS)
    np.testing.assert_array_equal(state.read(2), ROWS[:4])
    state.append(ROWS[4:])  # what follows the whole bands
    np.testing.assert_array_equal(state.read(1), ROWS)


def test_a_row_that_a_kill_cut_short_is_dropped(tmp_path: Path) -> None:
    state = unfinished.state(tmp_path, 3, {}, [])
    state.append(ROWS)
    os.truncate(state.path, 5 * 12 - 7)
    np.testing.assert_array_equal(state.read(1), ROWS[:4])


def test_other_options_and_changed_files_have_other_states(tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    image.write_bytes(b"one")
    first = unfinished.state(tmp_path, 3, {"stride": 32}, [image])
    assert unfinished.state(tmp_path, 3, {"stride": 32}, [image]) == first
    assert unfinished.state(tmp_path, 3, {"stride": 64}, [image]) != first
    assert unfinished.state(tmp_path, 3, {"stride": 32}, [tmp_path / "none"]) != first
    os.utime(image, ns=(1, 1))
    assert unfinished.state(tmp_path, 3, {"stride": 32}, [image]) != first


def test_finished_states_are_removed_and_those_of_other_runs_stay(tmp_path: Path) -> None:
    one, other = (unfinished.state(tmp_path, 3, {"stride": stride}, []) for stride in (32, 64))
    one.append(ROWS)
    other.append(ROWS)
    unfinished.remove(tmp_path, [one])
    assert list((tmp_path / unfinished.FOLDER).iterdir()) == [other.path]
    unfinished.remove(tmp_path, [other])
    assert list(tmp_path.iterdir()) == []


def test_only_one_run_at_a_time_may_write_to_a_folder(tmp_path: Path) -> None:
    with (
        unfinished.alone(tmp_path),
        pytest.raises(InputError, match=r"another `metastasis predict` is writing to .*--output"),
        unfinished.alone(tmp_path),
    ):
        pass
    with unfinished.alone(tmp_path):
        pass
