"""Tests of the resolution at which a raster is shown."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import pyramids
from metastasis.inference import rasters, views
from metastasis.inference.rasters import Box, Size, Whole

PICTURE = pyramids.picture(200, 260)


class Levels:
    """A raster whose levels are given."""

    def __init__(self, *levels: np.ndarray) -> None:
        self.levels = levels

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Their sizes."""
        return tuple(Size(each.shape[1], each.shape[0]) for each in self.levels)

    def read(self, level: int, box: Box) -> np.ndarray:
        """Return a box, which has to lie within the level."""
        assert min(box) >= 0
        assert box.x + box.width <= self.sizes[level].width
        assert box.y + box.height <= self.sizes[level].height
        return self.levels[level][box.y : box.y + box.height, box.x : box.x + box.width]

    def close(self) -> None:
        """Do nothing."""


def test_at_its_own_resolution_the_pixels_are_the_files() -> None:
    view = views.at(Whole(PICTURE), 1.0)
    assert view.size == (260, 200)
    np.testing.assert_array_equal(view.read(Box(10, 20, 30, 40)), PICTURE[20:60, 10:40])


@pytest.mark.parametrize("scale", [0.985, 1.015])
def test_a_resolution_within_two_per_cent_is_not_resampled(scale: float) -> None:
    view = views.at(Whole(PICTURE), scale)
    assert (view.ratio, view.scale) == (1, 1)


def test_beyond_an_edge_pixels_are_mirrored_without_the_edge_itself() -> None:
    view = views.at(Whole(PICTURE), 1.0)
    found = view.read(Box(-5, -3, 20, 20))
    np.testing.assert_array_equal(found[3:, 5:], PICTURE[:17, :15])
    np.testing.assert_array_equal(found[3:, 4], PICTURE[:17, 1])
    np.testing.assert_array_equal(found[0, 5:], PICTURE[3, :15])
    last = view.read(Box(255, 195, 10, 10))
    np.testing.assert_array_equal(last[:5, 5], PICTURE[195:, 258])


@pytest.mark.parametrize(("scale", "level"), [(0.5, 0), (1, 0), (1.9, 0), (2, 1), (3.9, 1), (5, 2)])
def test_the_smallest_level_is_read_that_loses_no_detail(scale: float, level: int) -> None:
    big = np.zeros((800, 1001, 3), np.uint8)
    raster = Levels(big, big[::2, : 2 * 500 : 2], big[::4, : 4 * 250 : 4])
    view = views.at(raster, scale)
    assert view.level == level
    assert view.scale == pytest.approx(scale)


def test_a_level_whose_size_was_rounded_has_the_whole_factor() -> None:
    assert rasters.factors([(10_001, 8_000), (2_500, 2_000), (625, 500)]) == [1, 4, 16]
    assert rasters.factors([(1000, 800), (700, 560)]) == [1, pytest.approx(1000 / 700)]


@given(st.floats(0.4, 5), st.data())
def test_resampled_pixels_do_not_depend_on_how_boxes_are_cut(
    scale: float, data: st.DataObject
) -> None:
    view = views.at(Whole(PICTURE), scale)
    whole = view.read(Box(0, 0, *view.size)).astype(int)
    x = data.draw(st.integers(0, view.size.width - 2))
    y = data.draw(st.integers(0, view.size.height - 2))
    width = data.draw(st.integers(1, view.size.width - x))
    height = data.draw(st.integers(1, view.size.height - y))
    part = view.read(Box(x, y, width, height)).astype(int)
    assert np.abs(part - whole[y : y + height, x : x + width]).max() <= 2  # both passes round


def test_blocks_of_a_wide_band_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    view = views.at(Whole(PICTURE), 1.7)
    whole = view.read(Box(0, 0, *view.size)).astype(int)
    monkeypatch.setattr(views, "MAX_BLOCK", 5_000)
    assert np.abs(view.read(Box(0, 0, *view.size)) - whole).max() <= 2


def test_a_reduced_view_shows_what_averaging_shows() -> None:
    view = views.at(Whole(PICTURE), 4.0)
    assert view.size == (65, 50)
    expected = cv2.resize(PICTURE, (65, 50), interpolation=cv2.INTER_AREA).astype(float)
    difference = view.read(Box(0, 0, 65, 50)) - expected
    assert np.abs(difference).mean() < 6  # of values that spread by 30
    assert abs(difference.mean()) < 0.5


@pytest.mark.parametrize("is_upright", [False, True])
@pytest.mark.parametrize("num_levels", [1, 3])
def test_a_thumbnail_of_a_long_narrow_image_keeps_a_pixel_of_its_short_side(
    *, num_levels: int, is_upright: bool
) -> None:
    strip = np.full((100, 100_000, 3), (90, 60, 30), np.uint8)
    levels = [strip[:: 4**power, :: 4**power] for power in range(num_levels)]
    turned = [level.swapaxes(0, 1) if is_upright else level for level in levels]
    found = views.thumbnail(views.at(Levels(*turned), 1.0))
    assert found.shape == ((800, 1, 3) if is_upright else (1, 800, 3))
    assert (found == (90, 60, 30)).all()
