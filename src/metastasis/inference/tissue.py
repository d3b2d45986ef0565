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
# Bounds of the threshold, in optical density. Otsu's method always splits an image in two: without
# glass it would leave out pale tissue, and without tissue it would score the scanner's noise.
LEAST, MOST = 0.07, 0.1
STEPS = 255  # of optical density between 0 and 1, for Otsu's histogram
MEDIAN = 3  # pixels: single specks of dust are no tissue


def find(view: View) -> NDArray[np.bool_]:
    """Return the mask of tissue of a view, at an eighth of its resolution.

    Tissue absorbs light: a pixel belongs to it if its optical density (the mean of -log10(I / 255)
    over red, green and blue) exceeds Otsu's threshold of the image, kept within bounds. Otsu 1979,
    "A threshold selection method from gray-level histograms".
    """
    low = views.at(view.raster, view.scale * REDUCTION)
    density = np.empty((low.size.height, low.size.width), np.uint8)
    for start in range(0, low.size.height, BAND):
        rows = min(BAND, low.size.height - start)
        density[start : start + rows] = _density(low.read(Box(0, start, low.size.width, rows)))
    density = np.asarray(cv2.medianBlur(density, MEDIAN), np.uint8)
    otsu, _ = cv2.threshold(density, 0, 1, cv2.THRESH_OTSU)
    return np.asarray(density > np.clip(otsu, LEAST * STEPS, MOST * STEPS))


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


def _density(pixels: UInt8) -> UInt8:
    """Return the optical density in `STEPS`, (height, width)."""
    light = np.maximum(pixels, 1).astype(np.float32) / np.float32(255)
    density = -np.log10(light).mean(axis=2)
    return np.asarray(np.rint(density.clip(0, 1) * STEPS), np.uint8)


def _span(
    grid: Grid, count: int, reduction: float, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last pixel (exclusive) of the mask for each central square."""
    corners = grid.corners(count)
    first = np.floor(corners * reduction).astype(np.int64).clip(0, limit - 1)
    last = np.ceil((corners + CENTRE_SIZE) * reduction).astype(np.int64).clip(1, limit)
    return first, last
