"""Tests of the heat map, read back by two readers."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from metastasis.inference import heat_maps, resolutions

MAP = np.array([[0.25, np.nan, 0.5], [1.0, 0.0, 0.1]])


def test_tifffile_and_opencv_read_the_probabilities_back(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    heat_maps.write(path, MAP, 31.104)
    for found in (tifffile.imread(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)):
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, MAP.astype(np.float32))


def test_the_physical_size_of_a_pixel_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tiff"
    heat_maps.write(path, MAP, 31.104)
    with tifffile.TiffFile(path) as file:
        tagged = resolutions.of_tiff(file)
        assert file.ome_metadata is not None
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        per_cm = file.pages.first.resolution
    assert tagged is not None
    assert (tagged.x, tagged.y) == pytest.approx((31.104, 31.104))
    assert (pixels["Type"], pixels["SizeX"], pixels["SizeY"]) == ("float", 3, 2)
    assert per_cm == pytest.approx((10_000 / 31.104,) * 2)


def test_the_same_map_gives_the_same_bytes_and_another_another_id(tmp_path: Path) -> None:
    for name, values in (("a", MAP), ("b", MAP), ("c", MAP * 0.5)):
        heat_maps.write(tmp_path / name, values, 31.104)
    content = {name: (tmp_path / name).read_bytes() for name in "abc"}
    assert content["a"] == content["b"]
    identities = [content[name].partition(b"urn:uuid:")[2][:36] for name in "ac"]
    assert identities[0] != identities[1]
