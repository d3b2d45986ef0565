"""Lays a grid of patches over a view, so that each place of the image is judged once.

A patch's score is about its central 32x32 pixels. So the grid's cells are squares of `stride`
pixels, and each patch's centre is the middle of its cell; at a stride of 32, cell and centre are
the same, and the centres cover the image without gaps or overlaps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.inference.rasters import Box, Size
from metastasis.inference.views import View
from metastasis.patches.shards import CENTRE_SIZE, PATCH_SIZE, UInt8

MIN_STRIDE, MAX_STRIDE = 8, 1024
# Rows of pixels, but for the patches' margins, that are read at a time. Another number changes
# scores slightly (`views`) and needs a new `unfinished.VERSION`.
MOST_ROWS = 256
Cells = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns of a grid


@dataclass(frozen=True)
class Grid:
    """The cells of a view, in pixels of the view."""

    stride: int
    rows: int
    columns: int

    def middles(self, count: int) -> NDArray[np.int64]:
        """Return the middle of the first `count` cells along a side."""
        return np.arange(count) * self.stride + self.stride // 2

    def corners(self, count: int) -> NDArray[np.int64]:
        """Return the first pixel of the central squares of the first `count` cells."""
        return self.middles(count) - CENTRE_SIZE // 2


def require_stride(stride: int) -> None:
    """Raise an InputError if a stride can't be used."""
    if not MIN_STRIDE <= stride <= MAX_STRIDE or stride % 2:
        raise InputError(
            f"--stride is {stride}; expected an even number of pixels from {MIN_STRIDE} to "
            f"{MAX_STRIDE}. {CENTRE_SIZE} lets the central squares touch; more is faster, coarser."
        )


def lay(size: Size, stride: int) -> Grid:
    """Return the grid of all cells that lie within an image of this size.

    Raises:
        InputError: there is none.
    """
    grid = Grid(stride, rows=size.height // stride, columns=size.width // stride)
    if not grid.rows or not grid.columns:
        raise InputError(
            f"no place for a patch: --stride is {stride}, and the image has {size.width}x"
            f"{size.height} pixels at the model's resolution; choose a smaller stride"
        )
    return grid


def cut(
    view: View, grid: Grid, rows: range, wanted: NDArray[np.bool_], size: int
) -> Iterator[tuple[UInt8, Cells]]:
    """Yield the patches of the wanted cells of some rows, a row at a time, with their cells.

    Rows that lie close to each other are read together, so that few pixels are read twice. Patches
    at an edge are completed by mirrored pixels.

    Args:
        view: where the patches lie.
        grid: its cells.
        rows: consecutive rows of the grid.
        wanted: (rows, columns) of the whole grid.
        size: the side of the patches, at most 96.
    """
    step = max(MOST_ROWS // grid.stride, 1)
    for start in range(rows.start, rows.stop, step):
        yield from _cut_band(view, grid, range(start, min(start + step, rows.stop)), wanted, size)


def _cut_band(
    view: View, grid: Grid, rows: range, wanted: NDArray[np.bool_], size: int
) -> Iterator[tuple[UInt8, Cells]]:
    """Read some rows at once and yield their patches."""
    columns = np.flatnonzero(wanted[rows.start : rows.stop].any(axis=0))
    if not len(columns):
        return
    x, y = grid.middles(grid.columns) - size // 2, grid.middles(grid.rows) - size // 2
    left, up = int(x[columns[0]]), int(y[rows[0]])
    band = view.read(Box(left, up, int(x[columns[-1]]) + size - left, int(y[rows[-1]]) + size - up))
    for row in rows:
        chosen = np.flatnonzero(wanted[row])
        top = int(y[row]) - up
        patches = [band[top : top + size, start : start + size] for start in x[chosen] - left]
        if patches:
            yield np.stack(patches), (np.full(len(chosen), row, np.intp), chosen)


def require_size(view: View) -> None:
    """Raise an InputError if a view is smaller than a patch."""
    if min(view.size) < PATCH_SIZE:
        width, height = view.size
        found = f"{width}x{height} pixels"
        if view.scale != 1:
            found += " at the model's resolution"
        raise InputError(f"{found}; a patch is {PATCH_SIZE}x{PATCH_SIZE}, and a region is larger")
