"""Decodes and describes one image, and says why it can't be used as a patch or region.

`sources` lists the images; `validating` decides whether the data is good enough.
"""

import enum
import hashlib
import io
import logging
import math
import struct
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from metastasis.formats.sources import Content, Encoded, Flaw
from metastasis.hashes import perceptual
from metastasis.patches.shards import PATCH_SIZE, UInt8

PATCH_SHAPE = (PATCH_SIZE, PATCH_SIZE, 3)
ROW_BYTES = PATCH_SIZE * 3
PATCH_BYTES = PATCH_SIZE * ROW_BYTES
MAX_FRAME_BYTES = 2**11
MAX_FRAMES, MAX_STARTS = 2**14, 8  # enough for Kaggle's writer, which writes dates
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little and big endian, classic and BigTIFF
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PNG_COLOURS = {0: "grey", 2: "rgb", 3: "palette", 4: "grey with alpha", 6: "rgb with alpha"}
JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # frame markers; the others mark tables
JPEG_COLOURS = {1: "grey", 3: "ycbcr", 4: "cmyk"}
OTHER_MAGIC = {
    **dict.fromkeys(TIFF_MAGIC, "TIFF"),
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"PK\3\4": "zip",
}
SIDE_LIMIT = 2**31  # pixels: the inventory holds sides below it, and PNG allows no others
# The compressions that OpenCV decodes correctly. It silently decodes JPEG 2000 in TIFF to noise.
COMPRESSIONS = ("none", "lzw", "deflate", "adobe_deflate", "packbits", "jpeg")
# In TIFFs packed so, OpenCV turns damaged data into wrong pixels, where Pillow raises an error.
CHECKED = ("lzw", "deflate", "adobe_deflate")
# What tifffile and Pillow raise for invalid files.
DAMAGE = (
    ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error,
)  # fmt: skip
COLOURS = ("rgb", "ycbcr")  # JPEG stores RGB as YCbCr
CHANNEL_NAMES = {1: "grey", 3: "three channels", 4: "RGBA"}

FLAWS = {
    "readable": "An image can be read.",
    "bytes": "An image file is no larger than a patch can be, so that none fills the memory.",
    "encrypted": "An image is not protected by a password.",
    "repeated": "An id has one image; a zip can hold a name twice, and folders the same id.",
    "format": "An image has the format that its name says: TIFF, PNG or JPEG.",
    "decodable": "An image is complete and can be decoded.",
    "compression": "An image is uncompressed, or compressed in a way that is decoded correctly.",
    "pages": "An image has one page.",
    "colour": "An image is RGB: three channels, not grey, no palette, no transparency.",
    "depth": "An image has 8 bits per channel.",
    "size": f"An image is {PATCH_SIZE}x{PATCH_SIZE} pixels.",
}


class Facts(NamedTuple):
    """The facts about one image file, flawed or not; unknown ones are empty or None."""

    flaw: str
    found: str  # the flawed property as found, in words
    num_bytes: int | None = None
    compression: str = ""
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    dtype: str = ""


class Measures(NamedTuple):
    """The measures of a patch's pixels; the moments are of values 0..255."""

    sha1: str  # of the RGB bytes
    mean: float
    std: float
    mean_red: float
    mean_green: float
    mean_blue: float


@dataclass(frozen=True)
class Inspection:
    """The findings on several images, of which m have no flaw and are patches.

    `patches` are (m, 96, 96, 3) uint8, RGB; `measures` and `hashes` (perceptual ones) belong to
    them, in the same order.
    """

    facts: list[Facts]
    patches: UInt8
    measures: list[Measures]
    hashes: list[str]


class Description(NamedTuple):
    """The properties that an image file declares; `is_known` is false if they can't be read."""

    num_pages: int = 1
    compression: str = ""
    colour: str = ""
    width: int | None = None
    height: int | None = None
    is_known: bool = False


@dataclass
class Frames:
    """The bytes around the pixels of the uncompressed patches seen so far, and their facts.

    Files by one writer share these bytes, except for a date. Files with the same bytes around their
    pixels have the same facts, which needn't be read again.
    """

    facts: dict[tuple[bytes, bytes], Facts] = field(default_factory=dict)
    starts: set[int] = field(default_factory=set)  # offsets at which the pixels began

    def find(self, content: bytes) -> Facts | None:
        """Return the facts of a patch with the same frame, if one was seen."""
        for start in tuple(self.starts):
            end = start + PATCH_BYTES
            facts = self.facts.get((content[:start], content[end:]))
            # Where nothing follows the pixels, nothing follows those of a truncated file either.
            if facts is not None and len(content) >= end:
                return facts
        return None

    def learn(self, content: bytes, patch: UInt8, facts: Facts) -> None:
        """Keep the frame of a patch, if the file holds its pixels uncompressed."""
        start = content.find(patch[0].tobytes())
        is_plain = start >= 0 and content[start : start + PATCH_BYTES] == patch.tobytes()
        if not is_plain or len(content) > PATCH_BYTES + MAX_FRAME_BYTES:
            return
        if len(self.facts) >= MAX_FRAMES or len(self.starts) >= MAX_STARTS:
            self.facts.clear()
            self.starts.clear()
        self.facts[content[:start], content[start + PATCH_BYTES :]] = facts
        self.starts.add(start)


def inspect(contents: Iterable[Content], buffer: UInt8, frames: Frames) -> Inspection:
    """Decode and measure images, at most as many as fit into `buffer`: (n, 96, 96, 3) uint8.

    The patches are the first rows of the buffer. Each image is finished and freed before the next
    is read, so that it stays in the processor's cache.
    """
    grids = np.empty((len(buffer), perceptual.GRID, perceptual.GRID), np.uint8)
    facts: list[Facts] = []
    measures: list[Measures] = []
    for content in contents:
        patch = buffer[len(measures)]
        found = look(content, patch, frames)
        if not found.flaw:
            grids[len(measures)] = perceptual.grid(patch)
            measures.append(_measure(patch))
        facts.append(found)
    num_patches = len(measures)
    hashes = perceptual.hashes(grids[:num_patches])
    return Inspection(facts, buffer[:num_patches], measures, hashes)


def look(content: Content, out: UInt8, frames: Frames) -> Facts:
    """Return the facts of one image; write its pixels to `out`, (96, 96, 3), if it has no flaw."""
    if isinstance(content, Flaw):
        return Facts(content.kind, content.found)
    if isinstance(content, np.ndarray):
        out[...] = content
        return _patch_facts(content.nbytes, "none")
    if isinstance(content, Encoded):
        return _look_at_other(content, out)
    known = frames.find(content)
    if known is not None:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        out[...] = np.asarray(image, np.uint8)
        return known
    facts = _look_closely(content, out)
    if not facts.flaw:
        frames.learn(content, out, facts)
    return facts


def read_region(content: bytes, max_pixels: int) -> UInt8 | Flaw:
    """Return an image of any size, (height, width, 3) uint8 RGB, or its first flaw.

    Its format is the one that its first bytes show. An image with more than `max_pixels` isn't
    decoded: a file of 1 MB can hold an image of gigabytes.
    """
    describe_format = DESCRIBED.get(format_of(content) or "")
    if describe_format is None:
        return Flaw("format", _other_format(content))
    description = describe_format(content)
    flaw = _too_large(description, max_pixels)
    if flaw:
        return flaw
    image = _decode(content, description) if description.is_known else None
    if image is None:
        undecoded = Facts("decodable", f"{len(content):,} bytes that can't be decoded to an image")
        return _flaw(undecoded, description, is_patch=False) or Flaw(*undecoded[:2])
    height, width, channels = image.shape
    facts = Facts("", "", len(content), "", width, height, channels, str(image.dtype))
    flaw = _flaw(facts, description, is_patch=False)
    return flaw or np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def oversize(head: bytes, max_pixels: int) -> Flaw | None:
    """Return the flaw of an image whose first bytes declare more than `max_pixels`, else None."""
    describe_format = DESCRIBED.get(format_of(head) or "")
    return _too_large(describe_format(head), max_pixels) if describe_format else None


def _too_large(description: Description, max_pixels: int) -> Flaw | None:
    width, height = description.width or 0, description.height or 0
    if width * height <= max_pixels:
        return None
    return Flaw("size", f"{width}x{height}: more than {max_pixels:,} pixels")


def _look_closely(content: bytes, out: UInt8) -> Facts:
    if not content.startswith(TIFF_MAGIC):
        return Facts("format", _other_format(content), len(content))
    return _decode_described(content, describe(content), out)


def _look_at_other(encoded: Encoded, out: UInt8) -> Facts:
    """Return the facts of an image whose name says PNG or JPEG.

    JPEG changes pixels slightly, so that ids can't be hashes of them.
    """
    if format_of(encoded.content) != encoded.format:
        return Facts("format", _other_format(encoded.content), len(encoded.content))
    description = DESCRIBED[encoded.format](encoded.content)
    return _decode_described(encoded.content, description, out)


def _decode_described(content: bytes, description: Description, out: UInt8) -> Facts:
    size = (description.width, description.height)
    if description.is_known and size != PATCH_SHAPE[:2]:
        # Don't decode it: a file of 1 MB can hold an image of gigabytes.
        return Facts("size", f"{size[0]}x{size[1]}", len(content), description.compression, *size)
    image = _decode(content, description)
    if image is None:
        found = f"{len(content):,} bytes that can't be decoded to an image"
        return _described(Facts("decodable", found, len(content)), description)
    if image.shape != PATCH_SHAPE or image.dtype != np.uint8:
        height, width, channels = image.shape
        shape = (width, height, channels, str(image.dtype))
        return _described(Facts("", "", len(content), "", *shape), description)
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)
    return _described(_patch_facts(len(content), ""), description)


def _patch_facts(num_bytes: int, compression: str) -> Facts:
    return Facts("", "", num_bytes, compression, *PATCH_SHAPE, "uint8")


def _described(facts: Facts, description: Description) -> Facts:
    """Return the facts with the file's declared properties, and with the first flaw of either."""
    facts = facts._replace(compression=description.compression)
    flaw = _flaw(facts, description)
    return facts._replace(flaw=flaw.kind, found=flaw.found) if flaw else facts


def _flaw(facts: Facts, description: Description, *, is_patch: bool = True) -> Flaw | None:
    """Return the first flaw, in the order from compression to size, which only a patch has."""
    channels = CHANNEL_NAMES.get(facts.channels or 0, f"{facts.channels} channels")
    is_rgb = facts.channels == PATCH_SHAPE[2] and description.colour in COLOURS
    is_patch_size = (facts.width, facts.height) == PATCH_SHAPE[:2]
    checks = (
        (
            description.is_known and description.compression not in COMPRESSIONS,
            Flaw("compression", f"compressed by {description.compression}"),
        ),
        (description.num_pages != 1, Flaw("pages", f"{description.num_pages} pages")),
        (bool(facts.flaw), Flaw(facts.flaw, facts.found)),
        (not description.is_known, Flaw("decodable", "a file without a readable description")),
        (not is_rgb, Flaw("colour", f"{channels} ({description.colour})")),
        (facts.dtype != "uint8", Flaw("depth", facts.dtype)),
        (is_patch and not is_patch_size, Flaw("size", f"{facts.width}x{facts.height}")),
    )
    return next((flaw for is_flawed, flaw in checks if is_flawed), None)


def format_of(content: bytes) -> str | None:
    """Return the format that an image's first bytes show, if it is a known one."""
    return next((name for magic, name in OTHER_MAGIC.items() if content.startswith(magic)), None)


def _other_format(content: bytes) -> str:
    if not content:
        return "an empty file"
    name = format_of(content)
    return f"a {name} file" if name else f"not an image: it begins with {content[:8]!r}"


def _decode(content: bytes, description: Description) -> NDArray[np.integer | np.floating] | None:
    """Return the image as (height, width, channels), or None if it can't be decoded."""
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # the file claims more pixels than OpenCV reads
        return None
    if image is None or _is_damaged(content, description):
        return None
    return image if image.ndim == 3 else image[:, :, np.newaxis]  # noqa: PLR2004


def silence() -> None:
    """Let the decoders print nothing of flawed files, which the caller reports once.

    Pillow's libtiff can't be silenced: it writes a line for damaged LZW and deflate data.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _is_damaged(content: bytes, description: Description) -> bool:
    """Return whether the pixels of a packed TIFF can't be unpacked.

    Damaged data that can be unpacked isn't noticed: TIFF has no checksum of the pixels.
    """
    if not content.startswith(TIFF_MAGIC) or description.compression not in CHECKED:
        return False
    try:
        image = Image.open(io.BytesIO(content), formats=["TIFF"])
    except DAMAGE:
        return False  # a kind of TIFF that Pillow doesn't know, which proves no damage
    with image:
        image.info.pop("xmp", None)  # metadata, which `load` would read for the orientation
        try:
            image.load()
        except OSError:
            return True
    return False


def describe(content: bytes) -> Description:
    """Return the properties that a TIFF's tags declare."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages.first
            words = (_word(page.compression), _word(page.photometric))
            return _declared(len(file.pages), *words, page.imagewidth, page.imagelength)
    except DAMAGE:
        return Description()


def _describe_png(content: bytes) -> Description:
    """Return the properties in a PNG's header."""
    header = content[len(PNG_MAGIC) + 8 :][:10]
    if len(header) < 10:  # noqa: PLR2004  # width, height, depth and colour
        return Description()
    width, height, _, colour = struct.unpack(">IIBB", header)
    is_animated = content.find(b"acTL", 0, content.find(b"IDAT")) >= 0
    word = PNG_COLOURS.get(colour, str(colour))
    return _declared(1 + is_animated, "deflate", word, width, height)


def _describe_jpeg(content: bytes) -> Description:
    """Return the properties in a JPEG's frame header."""
    place = 2
    while content[place : place + 1] == b"\xff" and place + 10 <= len(content):
        marker = content[place + 1]
        if marker in JPEG_FRAMES:
            _, height, width, channels = struct.unpack(">BHHB", content[place + 4 : place + 10])
            word = JPEG_COLOURS.get(channels, str(channels))
            return _declared(1, "jpeg", word, width, height)
        is_fill = marker == 0xFF  # noqa: PLR2004  # such bytes may stand before any marker
        place += 1 if is_fill else 2 + int.from_bytes(content[place + 2 : place + 4])
    return Description()


# By format: what reads the properties that such an image declares.
DESCRIBED = {"TIFF": describe, "PNG": _describe_png, "JPEG": _describe_jpeg}


def _declared(
    num_pages: int, compression: str, colour: str, width: object, height: object
) -> Description:
    """Return a description; an empty one if a side is no number that an image can have.

    A damaged header may hold any number, and a TIFF's tag also several numbers or a text.
    """
    if not (isinstance(width, int) and isinstance(height, int)):
        return Description()
    if not (0 < width < SIDE_LIMIT and 0 < height < SIDE_LIMIT):
        return Description()
    return Description(num_pages, compression, colour, width, height, is_known=True)


def _word(value: int) -> str:
    """Return the name of a tag's value, or the number if it has none."""
    return value.name.lower() if isinstance(value, enum.Enum) else str(value)


def sha1(patch: UInt8) -> str:
    """Return the SHA-1 of a patch's RGB bytes, Kaggle's id of it."""
    return hashlib.sha1(patch.data, usedforsecurity=False).hexdigest()


def _measure(patch: UInt8) -> Measures:
    red, green, blue, _ = cv2.mean(patch)
    mean = (red + green + blue) / 3
    # The sum of squares is a whole number below 2**53, so it is exact.
    variance = cv2.norm(patch, cv2.NORM_L2SQR) / patch.size - mean**2
    return Measures(sha1(patch), mean, math.sqrt(max(variance, 0)), red, green, blue)
