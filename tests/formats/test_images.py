"""Tests of `formats.images`: what an image is, is recognised, whatever its name claims."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.images import (
    FLAWED,
    NOISE,
    SMOOTH,
    encoded,
    huge_png,
    jpeg_2000_in_tiff,
    jpeg_of_size,
    png_of_size,
    tiff,
)
from helpers.patches import sha1
from metastasis.formats import images
from metastasis.formats.images import FLAWS, Facts, Frames
from metastasis.formats.sources import Content, Encoded, Flaw


def inspect(content: bytes | NDArray[np.uint8] | Encoded | Flaw) -> images.Inspection:
    return images.inspect([content], np.empty((1, 96, 96, 3), np.uint8), Frames())


SOUND: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "by OpenCV": lambda patch: encoded(
        patch[:, :, ::-1], options=(cv2.IMWRITE_TIFF_COMPRESSION, 1)
    ),
    "by OpenCV, LZW": lambda patch: encoded(patch[:, :, ::-1]),
    "by tifffile": tiff,
    "deflated": lambda patch: tiff(patch, compression="zlib"),
    "deflated, with a text as XMP": lambda patch: tiff(
        patch, compression="zlib", extratags=[(700, 2, 0, "<x/>", True)]
    ),
    "big-endian": lambda patch: tiff(patch, byteorder=">"),
    "BigTIFF": lambda patch: tiff(patch, bigtiff=True),
    "in many strips": lambda patch: tiff(patch, rowsperstrip=7),
    "in tiles": lambda patch: tiff(patch, tile=(32, 32)),
    "in planes": lambda patch: tiff(
        np.moveaxis(patch, -1, 0), photometric="rgb", planarconfig="separate"
    ),
}


@pytest.mark.parametrize("writer", SOUND)
@pytest.mark.parametrize("patch", [NOISE, SMOOTH, np.zeros_like(NOISE)], ids="nsb")
def test_every_pixel_arrives_in_rgb_whoever_wrote_the_tiff(
    writer: str, patch: NDArray[np.uint8]
) -> None:
    content = SOUND[writer](patch)
    found = inspect(content)
    assert found.facts[0].flaw == ""
    assert found.facts[0].num_bytes == len(content)
    assert np.array_equal(found.patches[0], patch)
    (measures,) = found.measures
    assert measures.sha1 == sha1(patch)
    assert measures.mean == pytest.approx(patch.mean())
    assert measures.std == pytest.approx(patch.std(), abs=1e-6)
    means = (measures.mean_red, measures.mean_green, measures.mean_blue)
    assert means == pytest.approx(tuple(patch.mean(axis=(0, 1))))


def png(image: NDArray[Any]) -> Encoded:
    return Encoded("PNG", encoded(image, ".png"))


def jpeg(image: NDArray[Any]) -> Encoded:
    return Encoded("JPEG", encoded(image, ".jpg"))


@pytest.mark.parametrize("patch", [NOISE, SMOOTH, np.zeros_like(NOISE)], ids="nsb")
def test_every_pixel_arrives_in_rgb_from_a_png(patch: NDArray[np.uint8]) -> None:
    found = inspect(png(patch[:, :, ::-1]))
    assert found.facts[0].flaw == ""
    assert found.facts[0].compression == "deflate"
    assert np.array_equal(found.patches[0], patch)
    assert found.measures[0].sha1 == sha1(patch)


def test_a_jpeg_is_near_what_it_was_made_of_and_no_more() -> None:
    found = inspect(jpeg(SMOOTH[:, :, ::-1]))
    assert found.facts[0].flaw == ""
    assert found.facts[0].compression == "jpeg"
    differences = np.abs(found.patches[0].astype(int) - SMOOTH)
    assert 0 < differences.max() < 32


def test_a_jpeg_that_asks_to_be_turned_stays_as_it_lies() -> None:
    """As TIFFs do: labels are of the centre, and a patch has no up."""
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation: to be turned by a quarter
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4)
    plain = jpeg(SMOOTH).content
    marked = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    found = inspect(Encoded("JPEG", marked))
    assert np.array_equal(found.patches[0], inspect(Encoded("JPEG", plain)).patches[0])


def chunk(kind: bytes, data: bytes) -> bytes:
    """A piece of a PNG."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def animated_png() -> Encoded:
    plain = png(NOISE).content
    place = plain.index(b"IDAT") - 4
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    return Encoded("PNG", plain[:place] + control + plain[place:])


def palette_png() -> Encoded:
    """A PNG of colour type 3 with one colour, which OpenCV would show as three channels."""
    rows = (b"\0" + bytes(96)) * 96
    return Encoded(
        "PNG",
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 96, 96, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes([200, 100, 50]))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b""),
    )


def cut(content: Encoded, share: float) -> Encoded:
    return Encoded(content.format, content.content[: int(len(content.content) * share)])


OTHERS_FLAWED: dict[str, tuple[Encoded, str, str]] = {
    "a TIFF named .png": (Encoded("PNG", tiff(NOISE)), "format", "a TIFF file"),
    "a JPEG named .png": (Encoded("PNG", jpeg(NOISE).content), "format", "a JPEG file"),
    "a PNG named .jpg": (Encoded("JPEG", png(NOISE).content), "format", "a PNG file"),
    "nothing named .png": (Encoded("PNG", b""), "format", "an empty file"),
    "a PNG's first bytes": (cut(png(NOISE), 0.0005), "decodable", ""),
    "half a PNG": (cut(png(NOISE), 0.5), "decodable", ""),
    "half a JPEG": (cut(jpeg(SMOOTH), 0.5), "decodable", ""),
    "a PNG with a palette": (palette_png(), "colour", "three channels (palette)"),
    "an animated PNG": (animated_png(), "pages", "2 pages"),
    "a grey PNG": (png(NOISE[:, :, 0]), "colour", "grey (grey)"),
    "a PNG with transparency": (png(np.dstack([NOISE, NOISE[:, :, 0]])), "colour", "RGBA"),
    "a grey JPEG": (jpeg(NOISE[:, :, 0]), "colour", "grey (grey)"),
    "a PNG of 16 bits": (png(NOISE.astype(np.uint16)), "depth", "uint16"),
    "a PNG of 64 pixels": (png(NOISE[:64, :64]), "size", "64x64"),
    "a PNG that claims 200,000 pixels": (Encoded("PNG", huge_png()), "size", "200000x200000"),
    "a PNG whose width is above 2**31": (
        Encoded("PNG", png_of_size(0xFF000060, 96)),
        "decodable",
        "",
    ),
    "a JPEG that claims 60,000 pixels": (
        Encoded("JPEG", jpeg_of_size(60_000, 60_000)),
        "size",
        "60000x60000",
    ),
}


@pytest.mark.parametrize("name", OTHERS_FLAWED)
def test_a_png_or_jpeg_that_is_no_patch_is_recognised_for_what_it_is(name: str) -> None:
    content, flaw, words = OTHERS_FLAWED[name]
    found = inspect(content)
    assert (found.facts[0].flaw, found.facts[0].num_bytes) == (flaw, len(content.content))
    assert words in found.facts[0].found
    assert len(found.patches) == 0


@settings(max_examples=200)
@given(
    which=st.sampled_from([png(SMOOTH), jpeg(SMOOTH)]),
    position=st.integers(0, 100) | st.integers(0, 28_000),
    values=st.binary(min_size=1, max_size=4),
    length=st.none() | st.integers(0, 28_000),
)
def test_whatever_is_broken_in_a_png_or_jpeg_is_a_patch_or_has_a_flaw_with_a_name(
    which: Encoded, position: int, values: bytes, length: int | None
) -> None:
    content = bytearray(which.content)
    content[position : position + len(values)] = values
    found = inspect(Encoded(which.format, bytes(content[:length])))
    (facts,) = found.facts
    assert facts.flaw == "" or facts.flaw in FLAWS
    assert len(found.patches) == (facts.flaw == "")
    if which.format == "PNG" and not facts.flaw:  # its checksums leave no doubt
        assert np.array_equal(found.patches[0], SMOOTH[:, :, ::-1])


@pytest.mark.parametrize("name", FLAWED)
def test_what_is_no_patch_is_recognised_for_what_it_is(name: str) -> None:
    content, flaw, words = FLAWED[name]
    found = inspect(content)
    assert (found.facts[0].flaw, found.facts[0].num_bytes) == (flaw, len(content))
    assert words in found.facts[0].found
    assert found.facts[0].found
    assert len(found.patches) == len(found.measures) == len(found.hashes) == 0


def test_opencv_alone_would_take_jpeg_2000_in_tiff_for_a_patch() -> None:
    """Why `COMPRESSIONS` is a list of what is allowed: if this fails, OpenCV has learnt it."""
    content = np.frombuffer(jpeg_2000_in_tiff(), np.uint8)
    image = np.asarray(cv2.imdecode(content, cv2.IMREAD_UNCHANGED))
    assert image.shape == (96, 96, 3)
    assert not np.array_equal(image[:, :, ::-1], NOISE)


def test_the_facts_of_a_flawed_image_tell_what_is_known_of_it() -> None:
    (facts,) = inspect(tiff(NOISE.astype(np.uint16), compression="zlib")).facts
    assert facts == Facts(
        flaw="depth",
        found="uint16",
        num_bytes=facts.num_bytes,
        compression="adobe_deflate",
        width=96,
        height=96,
        channels=3,
        dtype="uint16",
    )


def test_pixels_that_need_no_decoding_are_taken_as_they_are() -> None:
    found = inspect(NOISE)
    assert np.array_equal(found.patches[0], NOISE)
    assert found.measures[0].sha1 == sha1(NOISE)
    assert (found.facts[0].width, found.facts[0].compression) == (96, "none")


def test_patches_keep_their_order_and_flawed_ones_leave_no_gap() -> None:
    flaw = Flaw("encrypted", "encrypted")
    contents: list[Content] = [tiff(NOISE), b"", tiff(SMOOTH), flaw, tiff(NOISE[::-1])]
    found = images.inspect(contents, np.empty((5, 96, 96, 3), np.uint8), Frames())
    assert [facts.flaw for facts in found.facts] == ["", "format", "", "encrypted", ""]
    assert np.array_equal(found.patches, [NOISE, SMOOTH, NOISE[::-1]])
    assert [measure.sha1 for measure in found.measures] == list(map(sha1, found.patches))


def test_a_known_frame_gives_the_same_pixels_and_facts_as_a_closer_look() -> None:
    frames = Frames()
    patches = np.random.default_rng(5).integers(0, 256, (3, 96, 96, 3), np.uint8)
    for writer in SOUND.values():
        contents = [writer(patch) for patch in patches]
        close = [images.look(content, np.empty_like(NOISE), Frames()) for content in contents]
        found = images.inspect(contents, np.empty_like(patches), frames)
        assert found.facts == close
        assert np.array_equal(found.patches, patches)
    assert 3 <= len(frames.facts) < 3 * len(SOUND)  # uncompressed ones, one frame a writer


@pytest.mark.parametrize("writer", SOUND)
@given(length=st.integers(0, 40_000))
def test_a_cut_file_of_a_known_writer_has_the_facts_of_a_closer_look(
    writer: str, length: int
) -> None:
    frames, out = Frames(), np.empty_like(NOISE)
    content = SOUND[writer](NOISE)
    images.look(content, out, frames)
    cut = content[:length]
    assert images.look(cut, out, frames) == images.look(cut, out, Frames())


def test_a_file_with_another_frame_is_looked_at_closely() -> None:
    """Of two files with the same pixels at the same place, one says that they are CMYK."""
    plain = tiff(NOISE, metadata=None)
    with tifffile.TiffFile(BytesIO(plain)) as file:
        offset = file.pages.first.tags["PhotometricInterpretation"].valueoffset
    other = bytearray(plain)
    other[offset] = 5
    found = images.inspect(
        [plain, bytes(other), plain], np.empty((3, 96, 96, 3), np.uint8), Frames()
    )
    assert [facts.flaw != "" for facts in found.facts] == [False, True, False]


def test_a_small_file_that_holds_a_huge_picture_is_not_decoded() -> None:
    content = tiff(np.zeros((6000, 6000, 3), np.uint8), compression="zlib")
    assert len(content) < 200_000
    tracemalloc.start()
    (facts,) = inspect(content).facts
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (facts.flaw, facts.found, facts.width) == ("size", "6000x6000", 6000)
    assert peak < 10 * 2**20  # decoded it is 108 MB


def test_a_frame_with_a_long_tail_is_not_kept() -> None:
    frames = Frames()
    images.look(tiff(NOISE) + bytes(100_000), np.empty_like(NOISE), frames)
    assert frames.facts == {}


def test_the_frames_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_FRAMES", 4)
    frames = Frames()
    out = np.empty_like(NOISE)
    for number in range(20):
        images.look(tiff(NOISE, description=f"patch {number}", metadata=None), out, frames)
        assert np.array_equal(out, NOISE)
        assert 1 <= len(frames.facts) <= 4


@settings(max_examples=300)
@given(
    position=st.integers(0, 400) | st.integers(0, 28_000),
    values=st.binary(min_size=1, max_size=4),
    length=st.none() | st.integers(0, 28_000),
)
def test_whatever_is_broken_is_a_patch_or_has_a_flaw_with_a_name(
    position: int, values: bytes, length: int | None
) -> None:
    content = bytearray(tiff(NOISE))
    content[position : position + len(values)] = values
    found = inspect(bytes(content[:length]))
    (facts,) = found.facts
    assert facts.flaw == "" or facts.flaw in FLAWS
    assert len(found.patches) == (facts.flaw == "")
