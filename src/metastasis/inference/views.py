"""Shows a raster as if it had the resolution that the model was trained at.

`resolutions` says which resolution a file has.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from metastasis.inference import rasters
from metastasis.inference.rasters import Box, Raster, Size
from metastasis.patches.shards import UInt8

# A level this close to the wanted resolution is taken as it is: resampling would blur every pixel
# for little. What 2 % do to scores hasn't been measured.
TOLERANCE = 0.02
SUPPORT = 2  # pixels: the reach of the bicubic filter; it grows with the factor of reduction
LONGEST = 800  # pixels of a thumbnail's longer side
BAND = 64  # rows of a thumbnail that are read at a time
MAX_BLOCK = 2**23  # pixels that are read from the file at a time: 32 MB as RGBA


@dataclass(frozen=True)
class View:
    """A raster at a resolution: one pixel of the view covers `ratio` pixels of the level."""

    raster: Raster
    level: int
    ratio: float
    scale: float  # pixels of the raster's largest level that a pixel of the view covers
    size: Size  # of the view

    def read(self, box: Box) -> UInt8:
        """Return the pixels of a box, (height, width, 3) RGB; beyond the edges, mirrored ones.

        Mirroring gives the network tissue rather than a frame that no training patch has. The
        edge's own pixel isn't repeated. A box reaches less than the view's size beyond an edge.
        """
        left, up = max(box.x, 0), max(box.y, 0)
        right = min(box.x + box.width, self.size.width)
        down = min(box.y + box.height, self.size.height)
        inside = self._read_inside(Box(left, up, right - left, down - up))
        beyond = (up - box.y, box.y + box.height - down, left - box.x, box.x + box.width - right)
        if not any(beyond):
            return inside
        return np.asarray(cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REFLECT_101), np.uint8)

    def _read_inside(self, box: Box) -> UInt8:
        """Read a box in blocks from left to right, so that memory doesn't grow with the slide."""
        rows = box.height * self.ratio + 2 * SUPPORT * max(self.ratio, 1)
        width = max(int(MAX_BLOCK / rows / self.ratio), 1)
        out = np.empty((box.height, box.width, 3), np.uint8)
        for start in range(0, box.width, width):
            stop = min(start + width, box.width)
            block = Box(box.x + start, box.y, stop - start, box.height)
            out[:, start:stop] = self._read_block(block)
        return out

    def _read_block(self, box: Box) -> UInt8:
        if self.ratio == 1:
            return self.raster.read(self.level, box)
        # Neighbours outside the box count, too, so that boxes join without a seam. How they are cut
        # still changes 0.2 to 1.9 % of the values by 1 of 255. Therefore a new `MAX_BLOCK`, a new
        # `BAND` of tissue, or new `MOST_ROWS` need a new `unfinished.VERSION`.
        level = self.raster.sizes[self.level]
        margin = int(np.ceil(SUPPORT * max(self.ratio, 1))) + 1
        x, right = _outer(box.x, box.width, self.ratio, margin, level.width)
        y, down = _outer(box.y, box.height, self.ratio, margin, level.height)
        window = self.raster.read(self.level, Box(x, y, right - x, down - y))
        inner = (
            box.x * self.ratio - x,
            box.y * self.ratio - y,
            min((box.x + box.width) * self.ratio - x, right - x),
            min((box.y + box.height) * self.ratio - y, down - y),
        )
        resized = Image.fromarray(window).resize(
            (box.width, box.height), Image.Resampling.BICUBIC, box=inner
        )
        return np.asarray(resized, np.uint8)


def at(raster: Raster, scale: float) -> View:
    """Return the view whose pixels cover `scale` pixels of the largest level.

    It reads the smallest level that is no smaller than the view, so that no detail is lost, and
    reduces it by Pillow's bicubic filter, which averages what it reduces.
    """
    factors = rasters.factors(raster.sizes)
    fine = [index for index, factor in enumerate(factors) if factor <= scale * (1 + TOLERANCE)]
    level = max(fine, key=lambda index: factors[index], default=0)
    ratio = scale / factors[level]
    if abs(ratio - 1) <= TOLERANCE:
        ratio = 1.0
    # Also the short side of a long, narrow image keeps a pixel, which covers all of that side.
    width, height = (max(int(side / ratio), 1) for side in raster.sizes[level])
    return View(raster, level, ratio, ratio * factors[level], Size(width, height))


def thumbnail(view: View) -> UInt8:
    """Return the view, reduced to at most `LONGEST` pixels a side, (height, width, 3)."""
    low = at(view.raster, view.scale * max(max(view.size) / LONGEST, 1))
    image = np.empty((low.size.height, low.size.width, 3), np.uint8)
    for start in range(0, low.size.height, BAND):
        rows = min(BAND, low.size.height - start)
        image[start : start + rows] = low.read(Box(0, start, low.size.width, rows))
    return image


def _outer(start: int, length: int, ratio: float, margin: int, limit: int) -> tuple[int, int]:
    """Return the first and last pixel (exclusive) of a level around a side of a box."""
    first = max(int(start * ratio) - margin, 0)
    last = min(int(np.ceil((start + length) * ratio)) + margin, limit)
    return first, last
