"""Reads a large TIFF tile by tile, with the levels of a pyramid, by tifffile alone.

It reads what tifffile decodes without further libraries; `slides` reads the rest by OpenSlide.
"""

import math
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

from metastasis.base.errors import InputError
from metastasis.formats import images
from metastasis.inference.rasters import GLASS, Box, Size
from metastasis.patches.shards import UInt8

UNCOMPRESSED = 1
COMPRESSIONS = (UNCOMPRESSED, 8, 32946)  # deflate and its older number: by Python's own zlib
MAX_SEGMENT = 2**26  # pixels of a tile or strip: 200 MB decoded
MAX_KEPT = 2**25  # pixels of decoded tiles that are kept for the next box: 100 MB
RGB = 2  # of the tag PhotometricInterpretation
DAMAGE = (*images.DAMAGE, RuntimeError, zlib.error)  # also of what decodes a tile
DAMAGED = "its tags are damaged: copy or export it again"


@dataclass
class TiffTiles:
    """An open TIFF; `pages` are its levels."""

    file: tifffile.TiffFile
    pages: list[tifffile.TiffPage]
    _kept: OrderedDict[tuple[int, int], UInt8] = field(default_factory=OrderedDict, repr=False)
    _num_kept: int = field(default=0, repr=False)  # pixels

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The size of each level."""
        return tuple(Size(page.imagewidth, page.imagelength) for page in self.pages)

    def read(self, level: int, box: Box) -> UInt8:
        """Return the pixels of a box, (height, width, 3) RGB.

        Raises:
            InputError: a tile is damaged.
        """
        page = self.pages[level]
        height, width = page.chunks[:2]
        across = page.chunked[1]
        out = np.empty((box.height, box.width, 3), np.uint8)
        for row in range(box.y // height, -(-(box.y + box.height) // height)):
            for column in range(box.x // width, -(-(box.x + box.width) // width)):
                tile = self._tile(level, row * across + column)
                _paste(tile, Box(column * width, row * height, width, height), out, box)
        return out

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _tile(self, level: int, index: int) -> UInt8:
        key = (level, index)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        tile = self._decode(self.pages[level], index)
        self._kept[key] = tile
        self._num_kept += tile.shape[0] * tile.shape[1]
        while self._num_kept > MAX_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._num_kept -= oldest.shape[0] * oldest.shape[1]
        return tile

    def _decode(self, page: tifffile.TiffPage, index: int) -> UInt8:
        try:
            self.file.filehandle.seek(page.dataoffsets[index])
            content = self.file.filehandle.read(page.databytecounts[index])
            _require_small(page, content)
            tile, _, shape = page.decode(content or None, index)
            if tile is None:
                return np.full((*shape[1:3], 3), GLASS, np.uint8)
            return np.asarray(tile[0], np.uint8)
        except DAMAGE as error:
            raise InputError(
                f"tile {index} can't be decoded ({error}): the file is damaged; copy it again"
            ) from None


def read(path: Path) -> TiffTiles | None:
    """Open a TIFF; return None if tifffile can't decode it by itself.

    Raises:
        InputError: the file holds less than its tags claim, or other pixels than RGB of 8 bits.
    """
    try:
        file = tifffile.TiffFile(path)
    except DAMAGE:
        return None  # OpenSlide may know it
    try:
        pages = [level.keyframe for level in file.series[0].levels]
    except DAMAGE:
        pages = []
    if not pages or any(page.compression not in COMPRESSIONS for page in pages):
        file.close()
        return None
    try:
        _require_rgb(pages[0])
        _require_data(file, pages)
    except InputError:
        file.close()
        raise
    except DAMAGE:
        file.close()
        raise InputError(DAMAGED) from None
    return TiffTiles(file, [page for page in pages if page.chunks[:2]])


def _require_rgb(page: tifffile.TiffPage) -> None:
    is_rgb = page.photometric == RGB and page.samplesperpixel == 3 and page.planarconfig == 1  # noqa: PLR2004
    if not is_rgb or page.dtype != np.uint8:
        raise InputError(
            f"{page.samplesperpixel} channels of {page.dtype}; expected RGB with 8 bits per "
            "channel: export it so"
        )


def _require_data(file: tifffile.TiffFile, pages: list[tifffile.TiffPage]) -> None:
    """Refuse a file that was cut, or whose tags claim pixels that it doesn't hold."""
    num_bytes = file.filehandle.size
    if not all(min(page.shape[:2]) for page in pages):
        raise InputError(DAMAGED)
    for page in pages:
        claimed = f"{page.imagewidth:,} x {page.imagelength:,} pixels"
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
        if len(page.dataoffsets) < math.prod(page.chunked) or max(ends, default=0) > num_bytes:
            raise InputError(
                f"its tags claim {claimed}, which its {num_bytes:,} bytes don't hold: the file is "
                "incomplete; copy it again"
            )
        if math.prod(page.chunks[:2]) > MAX_SEGMENT:
            raise InputError(
                f"{claimed} in pieces of {page.chunks[1]:,} x {page.chunks[0]:,}, too large to "
                "read one by one; save it as a tiled TIFF"
            )


def _require_small(page: tifffile.TiffPage, content: bytes) -> None:
    """Refuse a packed tile that holds more than its tags claim: it could fill the memory.

    Raises:
        ValueError: it does.
    """
    if page.compression == UNCOMPRESSED:
        return
    claimed = math.prod(page.chunks)
    if len(zlib.decompressobj().decompress(content, claimed + 1)) > claimed:
        raise ValueError(f"it holds more than {claimed:,} bytes")


def _paste(tile: UInt8, place: Box, out: UInt8, box: Box) -> None:
    """Copy the part of a tile at `place` that lies in `box` to `out`, the box's pixels."""
    left, up = max(place.x, box.x), max(place.y, box.y)
    right = min(place.x + tile.shape[1], box.x + box.width)
    down = min(place.y + tile.shape[0], box.y + box.height)
    out[up - box.y : down - box.y, left - box.x : right - box.x] = tile[
        up - place.y : down - place.y, left - place.x : right - place.x
    ]
