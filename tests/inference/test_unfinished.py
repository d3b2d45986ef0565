"""Tests of the state of an interrupted run."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.base.errors import InputError
from metastasis.inference import unfinished
from metastasis.inference.unfinished import State

ROWS = np.arange(15, dtype=np.float32).reshape(5, 3)
PARTS = {0: ROWS[:2], 1: ROWS[2:4], 2: ROWS[4:]}


def state_in(
    folder: Path, facts: dict[str, Any] | None = None, paths: tuple[Path, ...] = ()
) -> State:
    return unfinished.state(folder, (5, 3), 2, facts or {}, paths)


@given(order=st.lists(st.sampled_from([0, 1, 2]), unique=True), num_lost=st.integers(0, 100))
def test_parts_are_read_back_whatever_their_order_and_wherever_a_kill_cut_the_last(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], num_lost: int
) -> None:
    state = state_in(tmp_path_factory.mktemp("output"))
    sizes = [0]
    for number in order:
        state.append(number, PARTS[number])
        sizes.append(state.path.stat().st_size)
    left = max(sizes[-1] - num_lost, 0)
    if order:
        os.truncate(state.path, left)
    whole = order[: sum(size <= left for size in sizes[1:])]
    for _ in range(2):  # reading drops what was cut, and another part may follow
        logits, is_finished = state.read()
        assert sorted(np.flatnonzero(is_finished)) == sorted(whole)
        for number, part in PARTS.items():
            expected = part if number in whole else np.full(part.shape, np.nan)
            np.testing.assert_array_equal(logits[2 * number : 2 * number + 2], expected)
        if len(whole) < len(PARTS):
            missing = next(number for number in PARTS if number not in whole)
            state.append(missing, PARTS[missing])
            whole = [*whole, missing]


def test_what_is_no_part_ends_a_state(tmp_path: Path) -> None:
    state = state_in(tmp_path)
    state.append(1, PARTS[1])
    with state.path.open("ab") as file:
        file.write(np.array(3, unfinished.NUMBER).tobytes() + bytes(100))
    assert state.read()[1].tolist() == [False, True, False]
    assert state.path.stat().st_size == 8 + 2 * 3 * 4


def test_other_options_and_changed_files_have_other_states(tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    image.write_bytes(b"one")
    first = state_in(tmp_path, {"stride": 32}, (image,))
    assert state_in(tmp_path, {"stride": 32}, (image,)) == first
    assert state_in(tmp_path, {"stride": 64}, (image,)) != first
    assert state_in(tmp_path, {"stride": 32}, (tmp_path / "none",)) != first
    os.utime(image, ns=(1, 1))
    assert state_in(tmp_path, {"stride": 32}, (image,)) != first


def test_finished_states_are_removed_and_those_of_other_runs_stay(tmp_path: Path) -> None:
    one, other = (state_in(tmp_path, {"stride": stride}) for stride in (32, 64))
    one.append(0, PARTS[0])
    other.append(0, PARTS[0])
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
