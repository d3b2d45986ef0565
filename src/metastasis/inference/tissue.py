"""Finds where a view shows tissue, so that bare glass isn't scored."""

import cv2
import numpy as np
from numpy.typing import NDArray

from metastasis.inference import views
from metastasis.inference.rasters import Box
from metastasis.inference.tiling import Grid
from metastasis.inference.views import View
from metastasis.patches.shards import CENTRE_SIZE, UInt8

REDUCTION = 8  # pixels of the view to a pixel of the mask, along a side: 4x4 to a central square
BAND = 64  # rows of the mask that are read at a time
# Optical density from which a pixel is tissue. Among 2,916 real patches, this leaves out 3 of 1,119
# with tumour and 5 % of the others; 0.1 would leave out 13. Glass darker than 227 of 255 is scored,
# which costs time and loses nothing. Otsu's method, as often used, always splits an image in two:
# in one without glass it leaves out the paler tissue.
LEAST_DENSITY = 0.05


def find(view: View) -> NDArray[np.bool_]:
    """Return the mask of tissue of a view, at an eighth of its resolution.

    Tissue absorbs light: a pixel belongs to it if its optical density, the mean of -log10(I / 255)
    over red, green and blue, exceeds a threshold. Macenko et al. 2009, "A method for normalizing
    histology slides for quantitative analysis", do the same with 0.15, which is meant for finding
    stains and leaves out pale tissue.
    """
    low = views.at(view.raster, view.scale * REDUCTION)
    mask = np.empty((low.size.height, low.size.width), bool)
    for start in range(0, low.size.height, BAND):
        rows = min(BAND, low.size.height - start)
        pixels = low.read(Box(0, start, low.size.width, rows))
        mask[start : start + rows] = _density(pixels) > LEAST_DENSITY
    return mask


def cells(view: View, grid: Grid, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells (rows, columns) whose central square holds tissue, however little."""
    counts = cv2.integral(mask.astype(np.uint8))
    up, down = _span(grid, grid.rows, mask.shape[0] / view.size.height, mask.shape[0])
    left, right = _span(grid, grid.columns, mask.shape[1] / view.size.width, mask.shape[1])
    inside = (
        counts[np.ix_(down, right)]
        - counts[np.ix_(up, right)]
        - counts[np.ix_(down, left)]
        + counts[np.ix_(up, left)]
    )
    return np.asarray(inside > 0)


def _density(pixels: UInt8) -> NDArray[np.float32]:
    """Return the mean optical density of each pixel's channels, (height, width)."""
    light = np.maximum(pixels, 1).astype(np.float32) / np.float32(255)
    return np.asarray(-np.log10(light).mean(axis=2), np.float32)


def _span(
    grid: Grid, count: int, reduction: float, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last pixel (exclusive) of the mask for each central square."""
    corners = grid.corners(count)
    first = np.floor(corners * reduction).astype(np.int64).clip(0, limit - 1)
    last = np.ceil((corners + CENTRE_SIZE) * reduction).astype(np.int64).clip(1, limit)
    return first, last
