"""Tests of the outlines of tumour regions, and of the file that QuPath reads."""

import json
import tempfile
import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from shapely.geometry import Point, shape

from metastasis.inference import polygons

MAPS = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(MAPS, st.sampled_from([32.0, 1.0, 127.873]))
def test_outlines_are_valid_and_apart_and_hold_the_called_cells(
    is_called: NDArray[np.bool_], side: float
) -> None:
    outlines, numbers = polygons.regions(is_called, side)
    assert all(each.is_valid and each.geom_type == "Polygon" for each in outlines)
    area = sum(each.area for each in outlines)
    cells = int(is_called.sum()) * side**2
    assert abs(area - cells) <= 1e-3 * cells  # coordinates are rounded
    assert abs(shapely.union_all(outlines).area - area) <= 1e-6 * max(area, 1)
    for row, column in np.ndindex(is_called.shape):
        middle = Point((column + 0.5) * side, (row + 0.5) * side)
        inside = [each.contains(middle) for each in outlines]
        assert sum(inside) == is_called[row, column]
        if any(inside):
            assert inside.index(True) + 1 == numbers[row, column]


@given(MAPS)
def test_at_whole_pixels_the_area_is_exactly_that_of_the_cells(
    is_called: NDArray[np.bool_],
) -> None:
    outlines, _ = polygons.regions(is_called, 32)
    assert sum(each.area for each in outlines) == is_called.sum() * 32**2


@given(MAPS)
def test_rings_hold_only_corners(is_called: NDArray[np.bool_]) -> None:
    for each in polygons.regions(is_called, 32)[0]:
        for ring in (each.exterior, *each.interiors):
            points = shapely.get_coordinates(ring)
            turns = [(a != b).tolist() for a, b in pairwise(points)]
            assert all(first != second for first, second in pairwise([*turns, turns[0]]))


def test_a_hole_and_an_island_in_it_are_kept() -> None:
    is_called = np.ones((5, 5), bool)
    is_called[1:4, 1:4] = False
    is_called[2, 2] = True
    ring, island = polygons.regions(is_called, 10)[0]
    assert (ring.area, len(ring.interiors), island.area) == (1600, 1, 100)


def written(path: Path) -> dict[str, Any]:
    probabilities = np.array([[0.9, 0.7, np.nan], [0.1, np.nan, 0.2], [0.2, 0.3, 0.8]])
    polygons.write(path, probabilities, *polygons.regions(probabilities >= 0.5, 32.0))
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_the_file_has_the_fields_of_qupath_s_own_writer(tmp_path: Path) -> None:
    content = written(tmp_path / "a.geojson")
    assert content["type"] == "FeatureCollection"
    first, second = content["features"]
    assert set(first) == {"type", "id", "geometry", "properties"}
    assert first["type"] == "Feature"
    assert str(uuid.UUID(first["id"])) == first["id"] != second["id"]
    assert first["properties"] == {
        "objectType": "annotation",
        "name": "Tumour 1, probability 0.80",
        "classification": {"name": "Tumor", "color": [200, 0, 0]},
        "measurements": {
            "Tumour probability: mean": 0.8,
            "Tumour probability: max": 0.9,
            "Patches": 2,
        },
    }
    assert shape(first["geometry"]).equals(shapely.box(0, 0, 64, 32))
    assert shape(second["geometry"]).equals(shapely.box(64, 64, 96, 96))


def test_rings_are_closed_and_turn_as_geojson_wants(tmp_path: Path) -> None:
    """RFC 7946, 3.1.6: the outer ring is counterclockwise."""
    for feature in written(tmp_path / "a.geojson")["features"]:
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert shapely.LinearRing(ring).is_ccw


def test_the_same_map_gives_the_same_bytes(tmp_path: Path) -> None:
    written(tmp_path / "a.geojson")
    written(tmp_path / "b.geojson")
    assert (tmp_path / "a.geojson").read_bytes() == (tmp_path / "b.geojson").read_bytes()


def test_a_slide_without_tumour_gives_an_empty_collection(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    polygons.write(path, np.full((3, 3), 0.1), *polygons.regions(np.zeros((3, 3), bool), 32))
    assert json.loads(path.read_text()) == {"type": "FeatureCollection", "features": []}


@given(MAPS, st.integers(0, 2**32 - 1))
def test_each_region_has_the_measurements_of_its_own_cells(
    is_called: NDArray[np.bool_], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = np.where(is_called, rng.random(is_called.shape), np.nan)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.geojson"
        polygons.write(path, probabilities, *polygons.regions(is_called, 1))
        features = json.loads(path.read_text())["features"]
    y, x = np.nonzero(is_called)
    points = shapely.points(x + 0.5, y + 0.5)
    for each in features:
        inside = probabilities[y, x][shapely.contains(shape(each["geometry"]), points)]
        measured = each["properties"]["measurements"]
        assert measured["Patches"] == len(inside)
        assert abs(measured["Tumour probability: mean"] - inside.mean()) < 1e-6
        assert abs(measured["Tumour probability: max"] - inside.max()) < 1e-6
