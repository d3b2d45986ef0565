"""Tests of what counts as tissue."""

import numpy as np
from numpy.typing import NDArray

from helpers import pyramids
from metastasis.inference import tiling, tissue, views
from metastasis.inference.rasters import Whole


def cells(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    view = views.at(Whole(pixels), 1.0)
    return tissue.cells(view, tiling.lay(view.size, 32), tissue.find(view))


def glass(height: int, width: int, level: int = 240) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(level, 3, (height, width, 3))
    return np.asarray(noise.clip(0, 255), np.uint8)


def test_every_cell_with_tissue_counts_and_glass_does_not() -> None:
    pixels = glass(320, 640)
    pixels[72:120, 104:152] = pyramids.picture(48, 48)
    pixels[200:216, 296:312] = 120  # a few cells
    expected = np.zeros((10, 20), bool)
    expected[2:4, 3:5] = True
    expected[6, 9] = True
    np.testing.assert_array_equal(cells(pixels), expected)


def test_an_image_without_glass_is_tissue_everywhere() -> None:
    pixels = pyramids.picture(320, 320)
    pixels[:, 160:] = np.minimum(pixels[:, 160:].astype(int) + 70, 199).astype(np.uint8)  # pale
    assert cells(pixels).all()


def test_an_image_of_glass_holds_no_tissue() -> None:
    for level in (255, 240, 232):
        assert not cells(glass(320, 320, level)).any()
