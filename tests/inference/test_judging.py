"""Tests of scoring files, with an engine whose logits are known: the red of a patch's middle."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers import crews, pyramids
from helpers.crews import Middle
from metastasis.inference import finding, judging, unfinished, working
from metastasis.inference.crews import Crew
from metastasis.inference.finding import Image
from metastasis.inference.judging import Patches


def files(folder: Path, count: int) -> list[Image]:
    for number in range(count):
        pixels = np.full((96, 96, 3), number, np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), pixels)
    return finding.find([folder], folder / "output")[0]


def judge(folder: Path, found: list[Image], crew: Crew) -> Patches:
    state = unfinished.state(folder, (len(found), 1), judging.FILES, {}, [])
    return judging.judge_files(found, crew, state)


def test_files_are_scored_in_order_among_others(tmp_path: Path) -> None:
    found = files(tmp_path, 7)
    found[2].path.write_bytes(b"text")
    cv2.imwrite(str(found[4].path), pyramids.picture(200, 200))
    result = judge(tmp_path, found, crews.alone(Middle()))
    assert [each.name for each in result.patches] == ["000", "001", "003", "005", "006"]
    np.testing.assert_array_equal(result.logits, [0, 1, 3, 5, 6])
    assert [each.name for each in result.larger] == ["004"]
    assert [each.path.stem for each in result.failures] == ["002"]


def test_interrupted_files_go_on_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "FILES", 4)
    found = files(tmp_path, 11)
    found[1].path.write_bytes(b"text")
    whole = judge(tmp_path / "whole", found, crews.alone(Middle()))
    first, rest = Middle(most=8), Middle()
    with pytest.raises(KeyboardInterrupt):
        judge(tmp_path, found, crews.alone(first))
    result = judge(tmp_path, found, crews.alone(rest))
    assert_equal(result, whole)
    assert rest.num_scored == 10 - 7  # the first two batches hold 7 patches


@settings(max_examples=30)
@given(data=st.data())
def test_parts_of_any_size_in_any_order_resumed_anywhere_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("files")
    found = files(folder, 11)
    for number in data.draw(st.sets(st.integers(0, 10), max_size=3)):
        found[number].path.write_bytes(b"text")
    for number in data.draw(st.sets(st.integers(0, 10), max_size=3)):
        cv2.imwrite(str(found[number].path), pyramids.picture(100, 100))
    whole = judge(folder / "whole", found, crews.alone(Middle()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(judging, "FILES", data.draw(st.integers(1, 12), label="files"))
        for most in (*data.draw(st.lists(st.integers(0, 11), max_size=3), label="kills"), 99):
            crew = crews.Shuffled(
                crews.worker(Middle(most)),
                data.draw(st.integers(0, 99), label="order"),
                data.draw(st.integers(1, 5), label="under way"),
            )
            try:
                result = judge(folder, found, crew)
            except KeyboardInterrupt:
                continue
            assert_equal(result, whole)


def assert_equal(result: Patches, expected: Patches) -> None:
    np.testing.assert_array_equal(result.logits, expected.logits)
    assert result.patches == expected.patches
    assert result.larger == expected.larger
    assert result.failures == expected.failures


def test_a_network_that_sees_less_gets_the_centre(tmp_path: Path) -> None:
    found = files(tmp_path, 1)
    pixels = pyramids.picture(96, 96)
    cv2.imwrite(str(found[0].path), pixels[:, :, ::-1])
    seen: list[NDArray[np.uint8]] = []

    class Keeper(Middle):
        """Keeps what it is given."""

        def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
            """Keep the patches."""
            seen.append(patches)
            return super().logits(patches)

    judge(tmp_path, found, crews.alone(Keeper(), size=48))
    np.testing.assert_array_equal(seen[0][0], pixels[24:72, 24:72])


def test_a_crew_is_asked_whether_a_file_that_cannot_be_read_is_to_blame(tmp_path: Path) -> None:
    found = files(tmp_path, 2)
    found[1].path.unlink()
    crew = crews.Shuffled(crews.worker(Middle()), 0, 1)
    result = judge(tmp_path, found, crew)
    assert [each.reason for each in result.failures] == [
        "it can't be read: No such file or directory"
    ]
    (unread,) = crew.checked
    assert (unread.path, unread.is_out_of_reach) == (found[1].path, True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_network_is_no_bad_file(tmp_path: Path, value: float) -> None:
    class Broken(Middle):
        """Its first logit is not a number."""

        def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
            """Score the patches."""
            found = super().logits(patches)
            found[0] = value
            return found

    message = r"the network's output is not a number for 1 of 2 patches"
    with pytest.raises(working.BrokenNetworkError, match=message):
        judge(tmp_path, files(tmp_path, 2), crews.alone(Broken()))
