"""Tests of the readers of large images: by tifffile, and by OpenSlide."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from helpers import pyramids
from metastasis.base.errors import InputError
from metastasis.inference import slides, tiff_tiles
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


def test_the_levels_of_an_ome_tiff_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"tile": (64, 64), "photometric": "rgb"}
        writer.write(PICTURE, subifds=1, metadata={"axes": "YXS"}, **options)  # type: ignore[arg-type]
        writer.write(PICTURE[::2, ::2].copy(), subfiletype=1, **options)  # type: ignore[arg-type]
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
