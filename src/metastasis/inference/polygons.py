"""Writes tumour regions as GeoJSON, in the form in which QuPath exports and imports annotations.

The fields are those of QuPath's own writer (`QuPathTypeAdapters.java`, since version 0.4).
"""

import json
import uuid
from pathlib import Path
from typing import Any, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import Polygon, mapping

from metastasis.base import files

CLASS = {"name": "Tumor", "color": [200, 0, 0]}  # QuPath's own class of this name, and its colour
NUM_DIGITS = 2  # of coordinates, in pixels of the largest level
NAMESPACE = uuid.UUID("5b1f4f6e-6f0a-5c58-9d42-1c4d2f0f7f2e")  # makes ids of regions: any constant


def regions(is_called: NDArray[np.bool_], side: float) -> tuple[list[Polygon], NDArray[np.int32]]:
    """Return the outline of each region of called cells (rows, columns), and the cells' regions.

    Cells that share a side belong to one region; healthy cells within it are holes. A region's
    number in the second array (rows, columns) is its place in the list + 1; 0 is no region.
    `side` is a cell's side in the unit of the outlines.
    """
    found, _ = ndimage.label(is_called)
    numbers = np.asarray(found, np.int32)
    outlines = []
    for number, place in enumerate(ndimage.find_objects(numbers), start=1):
        rows, columns = np.nonzero(numbers[place] == number)
        x, y = columns + place[1].start, rows + place[0].start
        # Neighbours have the same rounded edges, so that the cells join without slivers.
        left, up, right, down = (_edges(each, side) for each in (x, y, x + 1, y + 1))
        joined = shapely.normalize(shapely.union_all(shapely.box(left, up, right, down)))
        outlines.append(shapely.orient_polygons(_simple(cast("Polygon", joined))))
    return outlines, numbers


def write(
    path: Path,
    probabilities: NDArray[np.float64],
    outlines: list[Polygon],
    numbers: NDArray[np.int32],
) -> None:
    """Write a feature for each region of called cells, as `regions` returns them.

    Its measurements are the mean and the highest probability, and the number of patches.
    """
    index = np.arange(1, len(outlines) + 1)
    means = ndimage.mean(probabilities, numbers, index)
    highest = ndimage.maximum(probabilities, numbers, index)
    counts = np.bincount(numbers.ravel(), minlength=len(index) + 1)[1:]
    features = [
        _feature(number, outline, *each)
        for number, (outline, *each) in enumerate(
            zip(outlines, means, highest, counts, strict=True), start=1
        )
    ]
    lines = ",\n".join(json.dumps(each, allow_nan=False) for each in features)
    text = f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'
    with files.whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _feature(
    number: int, outline: Polygon, mean: float, highest: float, num_patches: int
) -> dict[str, Any]:
    geometry = mapping(outline)
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(NAMESPACE, f"{number} {outline.wkt}")),
        "geometry": geometry,
        "properties": {
            "objectType": "annotation",
            "name": f"Tumour {number}, probability {mean:.2f}",
            "classification": CLASS,
            "measurements": {
                "Tumour probability: mean": round(float(mean), 6),
                "Tumour probability: max": round(float(highest), 6),
                "Patches": int(num_patches),
            },
        },
    }


def _simple(outline: Polygon) -> Polygon:
    """Return an outline without the points between its corners."""
    return Polygon(_corners(outline.exterior), [_corners(ring) for ring in outline.interiors])


def _corners(ring: shapely.LinearRing) -> NDArray[np.float64]:
    points = shapely.get_coordinates(ring)[:-1]
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    is_straight = ((points == before) & (points == after)).any(axis=1)
    return np.asarray(points[~is_straight], np.float64)


def _edges(cells: NDArray[np.integer], side: float) -> NDArray[np.float64]:
    return np.round(cells * side, NUM_DIGITS)
