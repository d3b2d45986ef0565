"""Tests of scoring, with an engine whose logits are known: the red of a patch's middle."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers import pyramids
from metastasis.base.errors import InputError
from metastasis.inference import finding, judging, unfinished, views
from metastasis.inference.rasters import Whole
from metastasis.inference.unfinished import State


class Middle:
    """An engine: a patch's logit is the red value of its middle pixel."""

    def __init__(self, most: int = 10**9) -> None:
        self.num_scored = 0
        self.most = most  # patches until the process is "killed"
        self.largest = 0

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score the patches, or stop as by Ctrl-C."""
        if self.num_scored + len(patches) > self.most:
            raise KeyboardInterrupt
        self.num_scored += len(patches)
        self.largest = max(self.largest, len(patches))
        size = patches.shape[1]
        return patches[:, size // 2, size // 2, 0].astype(np.float32)


def state_in(folder: Path, width: int) -> State:
    return unfinished.state(folder, width, {}, [])


def judge(
    folder: Path, pixels: NDArray[np.uint8], engine: Middle, stride: int = 32
) -> judging.Scored:
    view = views.at(Whole(pixels), 1.0)
    return judging.judge_view(view, stride, engine, 96, lambda columns: state_in(folder, columns))


@pytest.mark.parametrize("stride", [32, 64, 96])
def test_every_cell_has_the_score_of_its_middle(tmp_path: Path, stride: int) -> None:
    pixels = pyramids.picture(650, 1000)
    scored = judge(tmp_path, pixels, engine := Middle(), stride)
    half = stride // 2
    expected = pixels[half : 650 - 650 % stride : stride, half : 1000 - 1000 % stride : stride, 0]
    np.testing.assert_array_equal(scored.logits, expected)
    assert engine.num_scored == expected.size
    assert engine.largest <= judging.BATCH


def test_glass_is_not_scored(tmp_path: Path) -> None:
    pixels = np.full((320, 640, 3), 245, np.uint8)
    pixels[72:152, 328:472] = pyramids.picture(80, 144)
    scored = judge(tmp_path, pixels, engine := Middle())
    assert engine.num_scored == 15
    assert np.isfinite(scored.logits[2:5, 10:15]).all()
    assert np.isfinite(scored.probabilities).sum() == 15


def test_a_slide_of_glass_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tissue found: the image shows only glass"):
        judge(tmp_path, np.full((320, 320, 3), 245, np.uint8), Middle())


def test_an_interrupted_region_goes_on_where_it_was(tmp_path: Path) -> None:
    pixels = pyramids.picture(1600, 640)
    whole = judge(tmp_path / "whole", pixels, Middle())
    with pytest.raises(KeyboardInterrupt):
        judge(tmp_path, pixels, Middle(most=500))
    scored = judge(tmp_path, pixels, rest := Middle())
    np.testing.assert_array_equal(scored.logits, whole.logits)
    assert rest.num_scored == 1000 - 480  # three bands of 8 rows and 20 columns were stored


def files(folder: Path, count: int) -> list[finding.Image]:
    for number in range(count):
        pixels = np.full((96, 96, 3), number, np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), pixels)
    return finding.find([folder], folder / "output")[0]


def test_files_are_scored_in_order_among_others(tmp_path: Path) -> None:
    found = files(tmp_path, 7)
    found[2].path.write_bytes(b"text")
    cv2.imwrite(str(found[4].path), pyramids.picture(200, 200))
    result = judging.judge_files(found, Middle(), 96, state_in(tmp_path, 1))
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
    whole = judging.judge_files(found, Middle(), 96, state_in(tmp_path / "whole", 1))
    first, rest = Middle(most=8), Middle()
    with pytest.raises(KeyboardInterrupt):
        judging.judge_files(found, first, 96, state_in(tmp_path, 1))
    result = judging.judge_files(found, rest, 96, state_in(tmp_path, 1))
    np.testing.assert_array_equal(result.logits, whole.logits)
    assert (result.patches, result.failures) == (whole.patches, whole.failures)
    assert rest.num_scored == 10 - 7  # the first two batches hold 7 patches


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

    judging.judge_files(found, Keeper(), 48, state_in(tmp_path, 1))
    np.testing.assert_array_equal(seen[0][0], pixels[24:72, 24:72])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_network_is_no_glass(tmp_path: Path, value: float) -> None:
    class Broken(Middle):
        """Its first logit is not a number."""

        def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
            """Score the patches."""
            found = super().logits(patches)
            found[0] = value
            return found

    message = r"the network's output is not a number for 1 of .* patches"
    with pytest.raises(judging.BrokenNetworkError, match=message):
        judge(tmp_path, pyramids.picture(320, 320), Broken())
    with pytest.raises(judging.BrokenNetworkError, match=message):
        judging.judge_files(files(tmp_path, 2), Broken(), 96, state_in(tmp_path / "files", 1))


def test_a_stride_larger_than_the_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no place for a patch: --stride is 256, .* 300x200"):
        judge(tmp_path, pyramids.picture(200, 300), Middle(), 256)
