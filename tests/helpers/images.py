"""Images as bytes: their writers, and images that are not patches, each with its flaw."""

import struct
import zlib
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

NOISE = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)


SMOOTH = cv2.GaussianBlur(NOISE, (31, 31), 8)


def tiff(image: NDArray[Any], **options: object) -> bytes:
    """Return the image as TIFF; an array with more than 3 dimensions has several pages."""
    stream = BytesIO()
    photometric = "rgb" if image.shape[-1] in (3, 4) else "minisblack"
    written: dict[str, Any] = {"photometric": photometric} | options  # each option has its own type
    tifffile.imwrite(stream, image, **written)
    return stream.getvalue()


def encoded(image: NDArray[Any], suffix: str = ".tif", options: tuple[int, ...] = ()) -> bytes:
    """Return the image as OpenCV writes it, in the format of `suffix`."""
    is_written, content = cv2.imencode(suffix, image, options)
    assert is_written
    return content.tobytes()


def jpeg_2000_in_tiff() -> bytes:
    """Return a TIFF whose only strip is a JPEG 2000 stream, as slide scanners write it."""
    stream = encoded(NOISE, ".jp2")
    plain = bytearray(tiff(NOISE, compression=None, metadata=None, software=""))
    with tifffile.TiffFile(BytesIO(plain)) as file:
        page = file.pages.first
        tags = {name: page.tags[name].valueoffset for name in ("Compression", "StripByteCounts")}
        start = page.dataoffsets[0]
    plain[start : start + len(stream)] = stream
    plain[tags["Compression"] : tags["Compression"] + 2] = struct.pack("<H", 34712)
    plain[tags["StripByteCounts"] : tags["StripByteCounts"] + 4] = struct.pack("<I", len(stream))
    return bytes(plain)


def palette_tiff() -> bytes:
    """Return a TIFF whose pixels are indices into a palette."""
    colours = np.random.default_rng(2).integers(0, 2**16, (3, 256), np.uint16)
    return tiff(NOISE[:, :, 0], photometric="palette", colormap=colours)


def huge_tiff() -> bytes:
    """Return a TIFF whose tags claim 200,000 x 200,000 pixels."""
    content = bytearray(tiff(NOISE, metadata=None))
    with tifffile.TiffFile(BytesIO(content)) as file:
        offsets = [file.pages.first.tags[tag].valueoffset for tag in ("ImageWidth", "ImageLength")]
    for offset in offsets:
        content[offset : offset + 4] = struct.pack("<I", 200_000)
    return bytes(content)


def tiff_of_width(value: bytes, kind: int = 4, count: int = 1) -> bytes:
    """Return a TIFF whose tag of the width has these 4 bytes, this type and so many values."""
    content = bytearray(tiff(NOISE, metadata=None))
    with tifffile.TiffFile(BytesIO(content)) as file:
        offset = file.pages.first.tags["ImageWidth"].offset
    content[offset + 2 : offset + 12] = struct.pack("<HI", kind, count) + value
    return bytes(content)


def png_of_size(width: int, height: int) -> bytes:
    """Return a PNG whose header claims this size."""
    content = bytearray(encoded(np.zeros((1, 1, 3), np.uint8), ".png"))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def jpeg_of_size(width: int, height: int) -> bytes:
    """Return a JPEG whose frame header claims this size."""
    content = bytearray(encoded(NOISE, ".jpg"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def huge_png() -> bytes:
    """Return a PNG whose header claims 200,000 x 200,000 pixels."""
    return png_of_size(200_000, 200_000)


# TIFFs whose tag of the width holds no side of an image: types 3 and 2 are short numbers and text.
NO_WIDTH = {
    "a TIFF whose width is two numbers": tiff_of_width(struct.pack("<HH", 96, 96), 3, 2),
    "a TIFF whose width is a text": tiff_of_width(b"96\0\0", 2, 3),
    "a TIFF whose width is above 2**31": tiff_of_width(struct.pack("<I", 0xFF000060)),
    "a TIFF whose width is 0": tiff_of_width(bytes(4)),
}


def overwritten(content: bytes) -> bytes:
    """Return an image with 40 other bytes amid those of its pixels."""
    start = len(content) * 6 // 10
    noise = np.random.default_rng(3).integers(0, 256, 40, np.uint8).tobytes()
    return content[:start] + noise + content[start + 40 :]


FLAWED: dict[str, tuple[bytes, str, str]] = {
    "an empty file": (b"", "format", "an empty file"),
    "text": (b"no image at all", "format", "not an image: it begins with b'no image'"),
    "a PNG": (encoded(NOISE, ".png"), "format", "a PNG file"),
    "a JPEG": (encoded(NOISE, ".jpg"), "format", "a JPEG file"),
    "a JPEG 2000": (encoded(NOISE, ".jp2"), "format", "a JPEG 2000 file"),
    "a PNG that claims 200,000 pixels per side": (huge_png(), "format", "a PNG file"),
    "a TIFF that claims 200,000 pixels per side": (huge_tiff(), "size", "200000x200000"),
    **{what: (content, "decodable", "") for what, content in NO_WIDTH.items()},
    "cut after the magic number": (tiff(NOISE)[:4], "decodable", ""),
    "JPEG 2000 in TIFF": (jpeg_2000_in_tiff(), "compression", "compressed by jpeg2000"),
    **{
        f"a TIFF whose {name} data is damaged": (overwritten(content), "decodable", "")
        for name, content in {
            "LZW": encoded(SMOOTH),
            "deflate": tiff(SMOOTH, compression="zlib"),
        }.items()
    },
    "two pages": (tiff(np.stack([NOISE, NOISE])), "pages", "2 pages"),
    "grey": (tiff(NOISE[:, :, 0]), "colour", "grey (minisblack)"),
    "palette": (palette_tiff(), "colour", "three channels (palette)"),
    "RGBA": (tiff(np.dstack([NOISE, NOISE[:, :, 0]])), "colour", "RGBA (rgb)"),
    "16 bits": (tiff(NOISE.astype(np.uint16)), "depth", "uint16"),
    "floats": (tiff(NOISE.astype(np.float32)), "depth", "float32"),
    "95 pixels high": (tiff(NOISE[:95]), "size", "96x95"),
    "95 pixels wide": (tiff(NOISE[:, :95]), "size", "95x96"),
    "one pixel": (tiff(NOISE[:1, :1]), "size", "1x1"),
} | {
    f"cut at {share} %": (tiff(SMOOTH)[: len(tiff(SMOOTH)) * share // 100], "decodable", "")
    for share in (10, 25, 50, 75, 90, 99)
}
