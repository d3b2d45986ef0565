"""Tests of the readers of large images: by tifffile, and by OpenSlide."""

import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from helpers import pyramids
from metastasis.base.errors import InputError
from metastasis.inference import opening, slides, tiff_tiles
from metastasis.inference.rasters import Box, Raster

PICTURE = pyramids.picture(300, 410)
READERS: dict[str, Callable[[Path], Raster | None]] = {
    "tifffile": tiff_tiles.read, "OpenSlide": slides.read,
}  # fmt: skip


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyramid") / "a.tif"
    pyramids.write(path, PICTURE, 0.486)
    return path


def opened(reader: str, path: Path) -> Raster:
    raster = READERS[reader](path)
    assert raster is not None
    return raster


@pytest.mark.parametrize("reader", READERS)
@given(data=st.data())
def test_a_box_has_the_picture_s_pixels(pyramid: Path, reader: str, data: st.DataObject) -> None:
    raster = opened(reader, pyramid)
    x, y = data.draw(st.integers(0, 409)), data.draw(st.integers(0, 299))
    box = Box(x, y, data.draw(st.integers(1, 410 - x)), data.draw(st.integers(1, 300 - y)))
    expected = PICTURE[y : y + box.height, x : x + box.width]
    np.testing.assert_array_equal(raster.read(0, box), expected)
    raster.close()


@pytest.mark.parametrize("reader", READERS)
def test_every_level_is_there(pyramid: Path, reader: str) -> None:
    raster = opened(reader, pyramid)
    assert raster.sizes == ((410, 300), (205, 150), (102, 75))
    with tifffile.TiffFile(pyramid) as file:
        expected = file.pages[2].asarray()
    np.testing.assert_array_equal(raster.read(2, Box(0, 0, 102, 75)), expected)
    raster.close()


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("tile", [(64, 64), None], ids=["tiles", "strips"])
def test_tifffile_reads_by_itself_what_zlib_unpacks(
    tmp_path: Path, compression: str | None, tile: tuple[int, int] | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, PICTURE, photometric="rgb", compression=compression, tile=tile, rowsperstrip=7
    )
    raster = opened("tifffile", path)
    np.testing.assert_array_equal(raster.read(0, Box(33, 60, 200, 77)), PICTURE[60:137, 33:233])
    raster.close()


def write_ome(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"tile": (64, 64), "photometric": "rgb"}
        writer.write(PICTURE, subifds=1, metadata={"axes": "YXS"}, **options)  # type: ignore[arg-type]
        writer.write(PICTURE[::2, ::2].copy(), subfiletype=1, **options)  # type: ignore[arg-type]


def test_the_levels_of_an_ome_tiff_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_ome(path)
    raster = opened("tifffile", path)
    assert raster.sizes == ((410, 300), (205, 150))
    np.testing.assert_array_equal(raster.read(1, Box(0, 0, 205, 150)), PICTURE[::2, ::2])
    raster.close()


def test_a_tile_that_was_not_scanned_is_glass(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pyramids.write(path, PICTURE, factors=(1,))
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = list(file.pages.first.databytecounts)
        counts[0] = 0
        file.pages.first.tags["TileByteCounts"].overwrite(counts)
    raster = opened("tifffile", path)
    found = raster.read(0, Box(0, 0, 128, 64))
    assert (found[:, :64] == 255).all()
    np.testing.assert_array_equal(found[:, 64:], PICTURE[:64, 64:128])
    raster.close()


def test_a_damaged_tile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pyramids.write(path, PICTURE, factors=(1,), compression="deflate")
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[8]
    content = bytearray(path.read_bytes())
    content[start : start + 20] = bytes(20)
    path.write_bytes(content)
    raster = opened("tifffile", path)
    raster.read(0, Box(0, 0, 64, 64))
    with pytest.raises(InputError, match=r"tile 8 can't be decoded .*: the file is damaged"):
        raster.read(0, Box(64, 64, 64, 64))
    raster.close()


@pytest.mark.parametrize("tag", ["TileWidth", "TileLength"])
def test_tiles_without_pixels_are_told(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "a.tif"
    pyramids.write(path, PICTURE)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags[tag].overwrite(0)
    with pytest.raises(InputError, match="its tags are damaged"):
        opening.region(path)


def test_a_level_that_does_not_match_the_others_is_left_to_openslide(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pyramids.write(path, PICTURE)
    with tifffile.TiffFile(path, mode="r+") as file:
        cast("tifffile.TiffPage", file.pages[1]).tags["SamplesPerPixel"].overwrite(0)
    assert tiff_tiles.read(path) is None


def test_a_level_without_pixels_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_ome(path)
    with tifffile.TiffFile(path, mode="r+") as file:
        [level] = file.pages.first.pages or []
        for tag in ("ImageWidth", "ImageLength"):
            cast("tifffile.TiffPage", level).tags[tag].overwrite(0)
    with pytest.raises(InputError, match="its tags are damaged"):
        opening.region(path)


def test_strips_without_rows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pyramids.write(path, PICTURE, tile=None, rowsperstrip=7)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["RowsPerStrip"].overwrite(0)
    with pytest.raises(InputError):
        opening.region(path)


def test_a_tile_that_holds_more_than_its_tags_claim_is_refused(tmp_path: Path) -> None:
    """A file of 1 MB could otherwise fill the memory."""
    path = tmp_path / "a.tif"
    pyramids.write(path, PICTURE, compression="deflate")
    bomb = zlib.compress(bytes(2**29))
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages.first.tags
        place = path.stat().st_size
        tags["TileOffsets"].overwrite([place, *file.pages.first.dataoffsets[1:]])
        tags["TileByteCounts"].overwrite([len(bomb), *file.pages.first.databytecounts[1:]])
    with path.open("r+b") as file_:
        file_.seek(place)
        file_.write(bomb)
    raster = opened("tifffile", path)
    tracemalloc.start()
    with pytest.raises(
        InputError, match=r"tile 0 can't be decoded \(it holds more than 12,288 bytes"
    ):
        raster.read(0, Box(0, 0, 10, 10))
    raster.close()
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


def test_a_cut_file_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PICTURE, photometric="rgb", tile=(64, 64))
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(InputError, match=r"tags claim 410 x 300 pixels, which its .* don't hold"):
        tiff_tiles.read(path)


def test_a_single_huge_strip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PICTURE, photometric="rgb", rowsperstrip=300)
    monkeypatch.setattr(tiff_tiles, "MAX_SEGMENT", 100_000)
    with pytest.raises(InputError, match=r"in pieces of 410 x 300, too large .* tiled TIFF"):
        tiff_tiles.read(path)


def test_decoded_tiles_do_not_fill_the_memory(
    pyramid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_tiles, "MAX_KEPT", 3 * 64 * 64)
    raster = tiff_tiles.read(pyramid)
    assert raster is not None
    raster.read(0, Box(0, 0, 410, 300))
    for _ in range(2):  # a running total that drifts would keep more, or nothing
        raster.read(0, Box(0, 0, 410, 300))
        assert len(raster._kept) == 3  # noqa: SLF001  # no output shows it
    raster.close()


def test_only_the_scanned_bounds_of_a_slide_are_shown_as_in_qupath(pyramid: Path) -> None:
    slide = slides.read(pyramid)
    bounded = slides.Slide(slide.slide, Box(100, 40, 200, 160))
    assert bounded.sizes == ((200, 160), (100, 80), (50, 40))
    np.testing.assert_array_equal(bounded.read(0, Box(3, 5, 50, 60)), PICTURE[45:105, 103:153])
    slide.close()


def test_a_slide_states_its_resolution(pyramid: Path) -> None:
    slide = slides.read(pyramid)
    tagged = slide.tagged()
    assert tagged is not None
    assert (tagged.x, tagged.y) == pytest.approx((0.486, 0.486))
    slide.close()
