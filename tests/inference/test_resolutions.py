"""Tests of where a file's resolution comes from, and when it isn't believed."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import images as made
from metastasis.base.errors import InputError
from metastasis.inference import resolutions
from metastasis.inference.resolutions import Tagged

PIXELS = np.zeros((100, 120, 3), np.uint8)


def of_tiff(path: Path, **options: Any) -> Tagged | None:  # noqa: ANN401  # tifffile's options
    tifffile.imwrite(path, PIXELS, photometric="rgb", **options)
    with tifffile.TiffFile(path) as file:
        return resolutions.of_tiff(file)


@pytest.mark.parametrize(("resolution", "unit"), [(20_000.0, 3), (50_800.0, 2)], ids=["cm", "inch"])
def test_plain_tags_count_pixels_per_unit(tmp_path: Path, resolution: float, unit: str) -> None:
    found = of_tiff(
        tmp_path / "a.tif", resolution=(resolution, resolution), resolutionunit=unit, metadata=None
    )
    assert found is not None
    assert (found.x, found.y) == pytest.approx((0.5, 0.5))


def test_tags_without_a_unit_or_without_a_value_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert of_tiff(path, metadata=None) is None
    assert of_tiff(path, resolution=(2.0, 2.0), resolutionunit="NONE", metadata=None) is None


@pytest.mark.parametrize(("size", "unit"), [(0.25, "µm"), (250.0, "nm"), (0.00025, "mm")])
def test_ome_states_a_size_with_its_unit(tmp_path: Path, size: float, unit: str) -> None:
    metadata = {
        "axes": "YXS",
        "PhysicalSizeX": size,
        "PhysicalSizeXUnit": unit,
        "PhysicalSizeY": size,
        "PhysicalSizeYUnit": unit,
    }
    found = of_tiff(tmp_path / "a.ome.tif", ome=True, metadata=metadata)
    assert found is not None
    assert (found.x, found.y) == pytest.approx((0.25, 0.25))


def test_imagej_states_pixels_per_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    found = of_tiff(path, imagej=True, resolution=(4.0, 4.0), metadata={"unit": "um"})
    assert found == Tagged(0.25, 0.25, "ImageJ's unit")


def test_aperio_states_it_in_the_description(tmp_path: Path) -> None:
    found = of_tiff(
        tmp_path / "a.tif",
        description="Aperio Image\n10x10|AppMag = 40|MPP = 0.2527",
        metadata=None,
    )
    assert found == Tagged(0.2527, 0.2527, "Aperio's MPP")


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_png_and_jpeg_state_dots_per_inch(form: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, form, dpi=(25_400, 25_400))
    found = resolutions.of_content(stream.getvalue())
    assert found is not None
    assert (found.x, found.y) == pytest.approx((1, 1), rel=1e-3)


def test_a_png_without_a_resolution_says_nothing() -> None:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    assert resolutions.of_content(stream.getvalue()) is None


def test_the_user_is_believed_before_the_file_and_the_file_before_the_model() -> None:
    tagged = Tagged(0.5, 0.5, "tags")
    assert resolutions.choose(0.25, tagged, 0.972).um_per_pixel == 0.25
    chosen = resolutions.choose(None, tagged, 0.972)
    assert (chosen.um_per_pixel, chosen.origin, chosen.warning) == (0.5, "tags", "")
    assumed = resolutions.choose(None, None, 0.972)
    assert (assumed.um_per_pixel, assumed.origin) == (0.972, "assumed")
    assert "doesn't say its resolution" in assumed.warning
    assert "--mpp" in assumed.warning


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600])
def test_the_usual_settings_of_office_programs_are_not_believed(dpi: int) -> None:
    size = 25_400 / dpi
    chosen = resolutions.choose(None, Tagged(size, size, "dots per inch"), 0.972)
    assert chosen.um_per_pixel == 0.972
    assert f"{size:.4g} um/px, which isn't a microscope's" in chosen.warning


def test_pixels_that_are_not_square_are_not_believed() -> None:
    chosen = resolutions.choose(None, Tagged(0.5, 0.7, "tags"), 0.972)
    assert chosen.um_per_pixel == 0.972
    assert "0.5 x 0.7 um/px" in chosen.warning


def test_an_image_without_the_detail_is_scored_with_a_warning() -> None:
    chosen = resolutions.choose(None, Tagged(4.0, 4.0, "tags"), 0.972)
    assert chosen.um_per_pixel == 4
    assert "4.1 times as large" in chosen.warning


@pytest.mark.parametrize("asked", [0.0, -1.0, 0.001, 25.0, float("nan")])
def test_an_mpp_that_no_microscope_has_is_refused(asked: float) -> None:
    with pytest.raises(InputError, match=r"--mpp is .*expected micrometres per pixel from 0.05"):
        resolutions.require_plausible(asked)


def test_an_ome_tiff_without_a_size_leaves_it_to_the_plain_tags(tmp_path: Path) -> None:
    metadata = {"axes": "YXS"}
    plain = {"resolution": (20_000.0, 20_000.0), "resolutionunit": 3}
    found = of_tiff(tmp_path / "a.ome.tif", ome=True, metadata=metadata, **plain)
    assert found == Tagged(0.5, 0.5, "the TIFF's resolution tags")


def test_damaged_ome_leaves_it_to_the_plain_tags(tmp_path: Path) -> None:
    description = "<OME><Image></OME>"
    plain = {"resolution": (20_000.0, 20_000.0), "resolutionunit": 3}
    found = of_tiff(tmp_path / "a.tif", description=description, metadata=None, **plain)
    assert found == Tagged(0.5, 0.5, "the TIFF's resolution tags")


def test_a_greek_mu_is_a_micro_sign(tmp_path: Path) -> None:
    unit = "\u03bcm"
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    units = {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    metadata = {"axes": "YXS", **sizes, **units}
    found = of_tiff(tmp_path / "a.ome.tif", ome=True, metadata=metadata)
    assert found == Tagged(0.25, 0.25, "OME's PhysicalSize")


def test_a_png_whose_other_metadata_is_odd_says_nothing() -> None:
    """OpenCV reads both; Pillow refuses a text that is too long, and a wrong checksum."""
    plain = made.encoded(np.zeros((200, 200, 3), np.uint8), ".png")
    text = b"Raw profile type xmp\0\0" + zlib.compress(bytes(2**21))
    for kind, data, wrong in ((b"zTXt", text, 0), (b"tEXt", b"a\0b", 1)):
        checksum = (zlib.crc32(kind + data) + wrong) % 2**32
        chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
        content = plain[:33] + chunk + plain[33:]  # after the header
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is not None
        assert resolutions.of_content(content) is None
