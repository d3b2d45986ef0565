"""Opens one file: as a patch, as a region or slide, or with the reason why it is neither."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import tifffile

from metastasis.base.errors import InputError
from metastasis.formats import images
from metastasis.formats.sources import Encoded, Flaw, Format
from metastasis.inference import resolutions, slides, tiff_tiles
from metastasis.inference.finding import SLIDE_SUFFIXES
from metastasis.inference.rasters import Raster, Whole
from metastasis.inference.resolutions import Tagged
from metastasis.patches.shards import PATCH_SIZE, UInt8

MAX_PATCH_BYTES = 2**18  # a patch's pixels take 27 KB; larger files are described before
HEAD_BYTES = 2**18  # hold a PNG's or JPEG's size, if not after metadata of this length
MAX_PACKED_BYTES = 2**24  # of a patch with much beside its pixels
MAX_PIXELS = 2**26  # of an image that is decoded as a whole: 200 MB; a larger one has to be a TIFF
# By the kind of flaw: what would be accepted, or what to do.
EXPECTED = {
    "format": "expected TIFF, PNG, JPEG or a whole-slide format",
    "decodable": "it is damaged or incomplete: copy or export it again",
    "compression": "save the TIFF uncompressed, or with LZW, deflate or JPEG",
    "pages": "expected one page: save each page as a file of its own",
    "colour": "expected RGB without transparency: export it so",
    "depth": "expected 8 bits per channel: export it so",
    "size": f"a patch is {PATCH_SIZE}x{PATCH_SIZE}, and a region is no smaller on either side",
}
# Formats of scanners, as tifffile names them, whose files also hold pictures of label and slide.
WITH_LABELS = ("svs", "ndpi", "scn", "bif", "philips", "qpi", "vista", "avs", "indica")
SHAPE_TOLERANCE = 0.02  # share by which the shape of a smaller copy may differ: sizes are rounded
ORIENTATION, UPRIGHT = "Orientation", 1  # a TIFF's tag, and its value for pixels as they are
OTHER_FORMATS: dict[str, Format] = {"PNG": "PNG", "JPEG": "JPEG"}
TOO_LARGE = "save it as a tiled TIFF, which is read piece by piece"


@dataclass(frozen=True)
class Region:
    """An open image that is larger than a patch, and what it says about its resolution."""

    raster: Raster
    tagged: Tagged | None


def patch(path: Path, frames: images.Frames) -> UInt8 | None:
    """Return a patch's pixels (96, 96, 3), decoded as in the pipeline; None for a larger image.

    Raises:
        InputError: the file is neither a patch nor may it be a larger image.
        OSError: the file can't be read.
    """
    num_bytes = path.stat().st_size
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return None
    is_one = num_bytes <= MAX_PATCH_BYTES or (
        num_bytes <= MAX_PACKED_BYTES and _size(path) == (PATCH_SIZE, PATCH_SIZE)
    )
    if not is_one:
        return None
    content = path.read_bytes()
    other = OTHER_FORMATS.get(images.format_of(content) or "")
    out = np.empty(images.PATCH_SHAPE, np.uint8)
    facts = images.look(Encoded(other, content) if other else content, out, frames)
    if not facts.flaw:
        return out
    # A pyramid has several pages; whether they are one, only its reader knows.
    is_larger = (facts.width or 0) > PATCH_SIZE or (facts.height or 0) > PATCH_SIZE
    if is_larger and (facts.width or 0) >= PATCH_SIZE <= (facts.height or 0):
        return None
    raise InputError(_reason(Flaw(facts.flaw, facts.found)))


def region(path: Path) -> Region:
    """Open an image that is larger than a patch.

    Raises:
        InputError: it can't be read, with the reason and what to do.
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return _slide(path)
    if images.format_of(head) == "TIFF":
        return _tiff(path)
    # A file may be of any size, and its beginning shows whether it is to be read as a whole.
    too_large = images.oversize(head, MAX_PIXELS)
    if too_large:
        raise InputError(_reason(too_large))
    content = path.read_bytes() if images.format_of(head) in OTHER_FORMATS else head
    pixels = _whole(content)
    return Region(Whole(pixels), resolutions.of_content(content))


def _tiff(path: Path) -> Region:
    """Open a TIFF: a small one as a whole, other ones by tiles, and by OpenSlide what remains."""
    tagged, is_small, other, turn_at = None, False, None, None
    try:
        with tifffile.TiffFile(path) as file:
            tagged = resolutions.of_tiff(file)
            page = file.pages.first
            is_small = len(file.pages) == 1 and page.imagewidth * page.imagelength <= MAX_PIXELS
            is_small &= not page.subifds
            other = _other_page(file)
            turn = page.tags.get(ORIENTATION)
            turn_at = turn.valueoffset if turn and turn.value != UPRIGHT else None
            order = file.byteorder
    except tiff_tiles.DAMAGE:
        pass  # the readers below say what is wrong
    if other:
        raise InputError(_reason(Flaw("pages", other)))
    if is_small:
        content = path.read_bytes()
        if turn_at is not None:
            # OpenCV would turn the pixels, and QuPath, whose coordinates ours are, doesn't.
            upright = struct.pack(f"{order}H", UPRIGHT)
            content = content[:turn_at] + upright + content[turn_at + len(upright) :]
        return Region(Whole(_whole(content)), tagged)
    tiles = tiff_tiles.read(path)
    if tiles is not None:
        return Region(tiles, tagged)
    found = _slide(path)
    return Region(found.raster, found.tagged or tagged)


def _other_page(file: tifffile.TiffFile) -> str:
    """Return in words that a TIFF has a page that is no smaller copy of the first, else ""."""
    first = file.pages.first
    if any(getattr(first, f"is_{name}") for name in WITH_LABELS):
        return ""  # the readers know which pages are levels, and which show a label
    num_pages = len(file.pages)
    if first.is_ome:
        series = file.series[0]  # its images; further series are labels and overviews
        num_planes = math.prod(series.shape) // math.prod(first.shape)
        return f"{num_planes:,} planes" if num_planes > 1 else ""
    for number, page in enumerate(file.pages[1:], start=2):
        if not _is_level(cast("tifffile.TiffPage", page), first):
            return f"{num_pages:,} pages, of which page {number:,} is no smaller copy of the first"
    return ""


def _is_level(page: tifffile.TiffPage, first: tifffile.TiffPage) -> bool:
    """Return whether a page is marked as reduced or as a mask, or is smaller in the same shape."""
    if page.is_reduced or page.is_mask:
        return True
    height = page.imagewidth * first.imagelength / first.imagewidth
    is_same_shape = abs(page.imagelength - height) <= max(1, SHAPE_TOLERANCE * height)
    return page.imagewidth < first.imagewidth and is_same_shape


def _slide(path: Path) -> Region:
    slide = slides.read(path)
    return Region(slide, slide.tagged())


def _whole(content: bytes) -> UInt8:
    found = images.read_region(content, MAX_PIXELS)
    if isinstance(found, Flaw):
        raise InputError(_reason(found))
    return found


def _reason(flaw: Flaw) -> str:
    is_too_large = flaw.kind == "size" and "more than" in flaw.found
    expected = TOO_LARGE if is_too_large else EXPECTED[flaw.kind]
    return f"{flaw.found}; {expected}"


def _size(path: Path) -> tuple[int, int] | None:
    """Return the width and height that a file's header declares, if they can be read."""
    try:
        with tifffile.TiffFile(path) as file:
            return file.pages.first.imagewidth, file.pages.first.imagelength
    except tiff_tiles.DAMAGE:
        pass
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    describe = images.DESCRIBED.get(images.format_of(head) or "")
    description = describe(head) if describe else images.Description()
    if description.width is None or description.height is None:
        return None
    return description.width, description.height
