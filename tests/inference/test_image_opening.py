"""Tests of how files are opened, and of the reasons why some aren't."""

import os
import struct
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import images as made
from helpers import pyramids
from metastasis.base.errors import InputError
from metastasis.formats import images
from metastasis.inference import opening
from metastasis.inference.rasters import Box

PATCH = made.SMOOTH
REGION = pyramids.picture(150, 200)


def written(folder: Path, content: bytes, name: str = "image.tif") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def opened(path: Path) -> object:
    """What `inferring` does with a file: a patch's pixels, or else the region."""
    patch = opening.patch(path, images.Frames())
    return opening.region(path) if patch is None else patch


@pytest.mark.parametrize(
    "content",
    [made.tiff(PATCH), made.encoded(PATCH[:, :, ::-1]), made.encoded(PATCH[:, :, ::-1], ".png")],
    ids=["tiff", "OpenCV's tiff", "png"],
)
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a"])
def test_a_lossless_patch_has_its_pixels_whatever_its_name(
    tmp_path: Path, content: bytes, name: str
) -> None:
    np.testing.assert_array_equal(opened(written(tmp_path, content, name)), PATCH)


def test_a_patch_in_a_large_file_is_a_patch(tmp_path: Path) -> None:
    content = made.tiff(PATCH) + bytes(2 * opening.MAX_PATCH_BYTES)
    np.testing.assert_array_equal(opened(written(tmp_path, content)), PATCH)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("size", [(150, 200), (700, 800)], ids=["small", "large"])
def test_a_region_has_its_pixels(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    pixels = pyramids.picture(*size)
    content = made.encoded(pixels[:, :, ::-1], suffix)
    region = opened(written(tmp_path, content, f"a{suffix}"))
    assert isinstance(region, opening.Region)
    (found,) = region.raster.sizes
    np.testing.assert_array_equal(region.raster.read(0, Box(0, 0, *found)), pixels)


def test_a_small_pyramid_keeps_its_levels(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(REGION, subifds=1, tile=(64, 64), photometric="rgb", metadata={"axes": "YXS"})
        writer.write(REGION[::2, ::2].copy(), subfiletype=1, tile=(64, 64), photometric="rgb")
    region = opened(path)
    assert isinstance(region, opening.Region)
    assert region.raster.sizes == ((200, 150), (100, 75))
    region.raster.close()


def cmyk() -> bytes:
    stream = BytesIO()
    Image.fromarray(REGION).convert("CMYK").save(stream, "JPEG")
    return stream.getvalue()


def claims(content: bytes) -> bytes:
    """A PNG's header that claims 100,000 x 100,000 pixels."""
    changed = bytearray(content)
    changed[16:24] = struct.pack(">II", 100_000, 100_000)
    return bytes(changed)


HOSTILE = {
    "text": (b"no image at all", "not an image: it begins with b'no image'; expected TIFF, PNG"),
    "0 bytes": (b"", "an empty file; expected TIFF, PNG, JPEG or a whole-slide format"),
    "a GIF": (b"GIF89a" + bytes(99), "a GIF file; expected TIFF, PNG"),
    "95x96": (made.tiff(PATCH[:, :95]), "95x96; a patch is 96x96, and a region is no smaller"),
    "95x400": (made.encoded(REGION[:95], ".png"), "200x95; a patch is 96x96"),
    "16 bits": (made.tiff(PATCH.astype(np.uint16)), "uint16; expected 8 bits per channel"),
    "RGBA": (made.tiff(np.dstack([PATCH, PATCH[:, :, 0]])), "RGBA .rgb.; expected RGB without"),
    "grey": (made.tiff(PATCH[:, :, 0]), "grey .minisblack.; expected RGB without transparency"),
    "a region of 16 bits": (made.encoded(REGION.astype(np.uint16), ".png"), "uint16; expected 8"),
    "a region in RGBA": (
        made.encoded(np.dstack([REGION, REGION[:, :, 0]]), ".png"), "RGBA .*; expected RGB",
    ),
    "a grey region": (made.encoded(REGION[:, :, 0], ".png"), "grey .*; expected RGB"),
    "CMYK": (cmyk(), "cmyk.; expected RGB"),
    "JPEG 2000 in TIFF": (made.jpeg_2000_in_tiff(), "compressed by jpeg2000; save the TIFF"),
    "a PNG that claims 100,000 pixels": (
        claims(made.encoded(PATCH, ".png")), "100000x100000: more than 67,108,864 pixels; save it",
    ),
    "a TIFF that claims 200,000 pixels": (
        made.huge_tiff(), "claim 200,000 x 200,000 pixels, which its 27,.* don't hold",
    ),
} | {
    f"a {kind} cut at {share} %": (content[: len(content) * share // 100], "damaged|incomplete")
    for kind, content in {
        "patch": made.tiff(PATCH),
        "PNG": made.encoded(REGION, ".png"),
        "JPEG": made.encoded(REGION, ".jpg"),
        "TIFF region": made.tiff(REGION),
    }.items()
    for share in (30, 60, 95)
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_scored_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    content, message = HOSTILE[name]
    with pytest.raises(InputError, match=message):
        opened(written(tmp_path, content))


def test_an_unreadable_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        opened(path)


def test_a_damaged_slide_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"no slide", "a.svs")
    with pytest.raises(
        InputError, match="neither a slide that OpenSlide knows nor a complete TIFF"
    ):
        opened(path)


def test_a_slide_without_the_extra_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openslide", None)  # as if it weren't there
    with pytest.raises(InputError, match="install the extra `slides`: `make setup EXTRA=slides`"):
        opened(written(tmp_path, b"", "a.svs"))


def test_the_resolution_of_each_format_is_found(tmp_path: Path) -> None:
    tif, png = tmp_path / "a.tif", tmp_path / "a.png"
    tifffile.imwrite(
        tif, REGION, photometric="rgb", resolution=(20_000.0, 20_000.0), resolutionunit=3
    )
    Image.fromarray(REGION).save(png, dpi=(72, 72))
    sizes = [opening.region(path).tagged for path in (tif, png)]
    assert [round(each.x, 1) for each in sizes if each] == [
        0.5,
        352.7,
    ]  # 25,400 / 72, which a PNG rounds per metre


@pytest.mark.parametrize("height", [150, 149])
def test_a_tiff_of_several_images_is_refused(tmp_path: Path, height: int) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in (REGION, REGION[:height]):
            writer.write(page, photometric="rgb", metadata=None)
    reason = "2 pages, of which page 2 is no smaller copy of the first; expected one page: save"
    with pytest.raises(InputError, match=reason):
        opened(path)


def test_an_ome_tiff_of_several_planes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    pixels = np.stack([REGION, REGION, REGION])
    tifffile.imwrite(path, pixels, photometric="rgb", ome=True, metadata={"axes": "ZYXS"})
    with pytest.raises(InputError, match="3 planes; expected one page"):
        opened(path)


def test_smaller_copies_that_are_not_marked_as_such_are_no_other_images(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for factor in (1, 2, 4):
            level = REGION[: 150 // factor * factor : factor, ::factor].copy()
            writer.write(level, photometric="rgb", metadata=None)
    region = opened(path)
    assert isinstance(region, opening.Region)
    np.testing.assert_array_equal(region.raster.read(0, Box(0, 0, 200, 150)), REGION)
    region.raster.close()


def test_the_label_in_a_scanner_s_file_is_no_other_image(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    description = "Aperio Image Library v11|AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            REGION, photometric="rgb", tile=(64, 64), metadata=None, description=description
        )
        label = np.ascontiguousarray(REGION[:120, :50])
        writer.write(label, photometric="rgb", metadata=None, description="Aperio label 50x120")
    region = opened(path)
    assert isinstance(region, opening.Region)
    assert region.raster.sizes[0] == (200, 150)
    region.raster.close()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["classic", "big", "big endian", "JPEG", "PNG"])
def test_a_region_is_not_turned(tmp_path: Path, form: str, turn: int) -> None:
    """Its places are the file's own, as in QuPath."""
    path = tmp_path / "a.tif"
    if form in ("PNG", "JPEG"):
        exif = Image.Exif()
        exif[274] = turn
        Image.fromarray(REGION).save(path, form, exif=exif, quality=100, subsampling=0)
    else:
        tifffile.imwrite(
            path,
            REGION,
            photometric="rgb",
            metadata=None,
            bigtiff=form == "big",
            byteorder=">" if form == "big endian" else "<",
            extratags=[(274, 3, 1, turn, True)],
        )
    region = opened(path)
    assert isinstance(region, opening.Region)
    assert region.raster.sizes == ((200, 150),)
    found = region.raster.read(0, Box(0, 0, 200, 150))
    np.testing.assert_allclose(found.astype(int), REGION, atol=9 if form == "JPEG" else 0)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_huge_file_of_another_kind_is_refused_by_its_beginning(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, b"PK\x03\x04" + bytes(100), name)
    os.truncate(path, 2**37)  # a hole of 128 GB, which no memory holds
    with pytest.raises(InputError, match="a zip file; expected TIFF, PNG"):
        opened(path)


@pytest.mark.parametrize("claiming", [made.png_of_size, made.jpeg_of_size])
def test_a_huge_file_of_too_many_pixels_is_refused_by_its_beginning(
    tmp_path: Path, claiming: Callable[[int, int], bytes]
) -> None:
    path = written(tmp_path, claiming(40_000, 40_000), "a.png")
    os.truncate(path, 2**37)
    with pytest.raises(InputError, match="40000x40000: more than 67,108,864 pixels; save it as a"):
        opened(path)


def test_a_huge_stack_of_patches_is_refused_by_its_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([PATCH] * 3), photometric="rgb")
    os.truncate(path, 2**37)
    with pytest.raises(InputError, match="3 pages, of which page 2"):
        opened(path)
