"""Tests of the grid of patches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers import pyramids
from metastasis.base.errors import InputError
from metastasis.inference import tiling, views
from metastasis.inference.rasters import Box, Size, Whole


@given(st.integers(96, 400), st.integers(96, 400))
def test_at_stride_32_the_centres_cover_every_place_exactly_once(width: int, height: int) -> None:
    grid = tiling.lay(Size(width, height), 32)
    covered = np.zeros((height, width), int)
    for y in grid.corners(grid.rows):
        for x in grid.corners(grid.columns):
            assert 0 <= y <= height - 32
            assert 0 <= x <= width - 32
            covered[y : y + 32, x : x + 32] += 1
    inside = covered[: height // 32 * 32, : width // 32 * 32]
    assert (inside == 1).all()
    assert covered.sum() == inside.size  # what remains is narrower than a centre


@given(st.integers(4, 512).map(lambda half: 2 * half), st.integers(1, 40))
def test_a_patch_s_centre_is_the_middle_of_its_cell(stride: int, count: int) -> None:
    grid = tiling.lay(Size(stride * count + stride // 2, stride), stride)
    assert (grid.columns, grid.rows) == (count, 1)
    np.testing.assert_array_equal(grid.corners(count) + 16, np.arange(count) * stride + stride // 2)


@pytest.mark.parametrize("size", [96, 64, 32])
def test_a_patch_is_cut_around_its_cell(size: int) -> None:
    pixels = pyramids.picture(192, 256)
    view = views.at(Whole(pixels), 1.0)
    grid = tiling.lay(view.size, 32)
    wanted = np.zeros((6, 8), bool)
    wanted[2, 3] = wanted[3, 1] = True
    cut = list(tiling.cut(view, grid, range(2, 4), wanted, size))
    cells = [
        (int(row), int(column)) for _, cells in cut for row, column in zip(*cells, strict=True)
    ]
    assert cells == [(2, 3), (3, 1)]
    for (patches, _), (row, column) in zip(cut, cells, strict=True):
        y, x = row * 32 + 16 - size // 2, column * 32 + 16 - size // 2
        np.testing.assert_array_equal(patches[0], pixels[y : y + size, x : x + size])


def test_a_patch_at_the_edge_is_completed_by_mirrored_pixels() -> None:
    pixels = pyramids.picture(128, 128)
    view = views.at(Whole(pixels), 1.0)
    grid = tiling.lay(view.size, 32)
    ((patches, _),) = tiling.cut(view, grid, range(1), np.eye(4, dtype=bool), 96)
    np.testing.assert_array_equal(patches[0, 32:, 32:], pixels[:64, :64])
    np.testing.assert_array_equal(patches[0, 31, 32:], pixels[1, :64])


@pytest.mark.parametrize("stride", [0, 6, 33, 2000, -32])
def test_a_stride_that_cannot_be_used_is_refused(stride: int) -> None:
    with pytest.raises(InputError, match=rf"--stride is {stride}; expected an even number"):
        tiling.require_stride(stride)
    tiling.require_stride(32)


def test_a_view_smaller_than_a_patch_is_refused() -> None:
    view = views.at(Whole(pyramids.picture(300, 400)), 4.0)
    with pytest.raises(
        InputError, match="100x75 pixels at the model's resolution; a patch is 96x96"
    ):
        tiling.require_size(view)


@pytest.mark.parametrize("stride", [32, 256, 1024])
def test_what_is_read_at_a_time_does_not_grow_with_the_stride(stride: int) -> None:
    heights = []

    class Watched(Whole):
        """Notes the height of what is read."""

        def read(self, level: int, box: Box) -> NDArray[np.uint8]:
            """Return the pixels of a box."""
            heights.append(box.height)
            return super().read(level, box)

    view = views.at(Watched(pyramids.picture(4096, 1024)), 1.0)
    grid = tiling.lay(view.size, stride)
    wanted = np.ones((grid.rows, grid.columns), bool)
    cut = [cells for _, cells in tiling.cut(view, grid, range(grid.rows), wanted, 96)]
    assert sum(len(rows) for rows, _ in cut) == wanted.size
    assert max(heights) <= tiling.MOST_ROWS + 96
