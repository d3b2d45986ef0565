"""Holds the labels of patches that overlap against each other; no model is asked.

A patch has label 1 exactly if tumour touches its centre. So the centre of a patch with label 0 is
free of tumour, and in the centre of one with label 1 at least one place holds it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.base.errors import named
from metastasis.patches import shards
from metastasis.patches.shards import CENTRE_SIZE, CORNER, PATCH_SIZE

STEP = 16  # pixels: a cell's greatest side; Kaggle's patches were cut at multiples of it


class Cell(IntEnum):
    """What the labels say about a cell of a region."""

    UNKNOWN = 0  # in no centre
    FREE = 1  # in the centre of a patch with label 0
    POSSIBLE = 2  # in the centre of a patch with label 1, among other possible cells
    TUMOUR = 3  # the only possible cell of such a centre


@dataclass(frozen=True)
class Cells:
    """A region divided into square cells whose edges no patch's centre crosses."""

    states: NDArray[np.uint8]  # (rows, columns): `Cell`
    side: int  # of a cell, pixels


def cells(region: pd.DataFrame) -> Cells:
    """Return what the labels say about each cell of a region.

    `region` has a row for each patch: down, right (`shards.REGION_COLUMNS`) and label (0, 1; any
    other value is no label). Of a positive centre that negative ones wholly cover, the cells are
    free.
    """
    free, side = _free(region)
    states = np.where(free, np.uint8(Cell.FREE), np.uint8(Cell.UNKNOWN))
    centres = [states[_centre(place, side)] for place in _places(region, 1)]
    for centre in centres:
        centre[centre != Cell.FREE] = Cell.POSSIBLE
    for centre in centres:
        is_open = centre != Cell.FREE
        if is_open.sum() == 1:
            centre[is_open] = Cell.TUMOUR
    return Cells(states, side)


def contradictions(patches: pd.DataFrame) -> pd.DataFrame:
    """Return the patches with label 1 that patches with label 0 refute: text columns id and found.

    `patches` has the columns of `shards.REGION_COLUMNS` and label.
    """
    found = [
        (id_, f"label 1, but its centre is covered by those of {named(covering)} with label 0")
        for id_, covering in covered(patches)
    ]
    return pd.DataFrame(found, columns=["id", "found"], dtype="str")


def covered(patches: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Yield each patch with label 1 whose centre is wholly covered by those of label 0, with these.

    At least one of their labels is wrong.
    """
    labelled = patches[patches["label"].isin([0, 1])]
    num_labels = labelled.groupby("region")["label"].transform("nunique")
    mixed = labelled[num_labels == 2].reset_index(drop=True)  # noqa: PLR2004  # both labels
    ids, labels, places = (mixed[name].to_numpy() for name in ("id", "label", CORNER))
    for rows in mixed.groupby("region").indices.values():
        negatives = rows[labels[rows] == 0]
        for positive in rows[labels[rows] == 1]:
            shifts = places[negatives] - places[positive]
            is_near = (np.abs(shifts) < CENTRE_SIZE).all(axis=1)
            if _is_covered(shifts[is_near]):
                yield ids[positive], ids[negatives[is_near]].tolist()


def _is_covered(shifts: NDArray[np.int64]) -> bool:
    """Return whether squares of the centre's size, shifted by `shifts` (n, 2), cover it."""
    is_free = np.zeros((CENTRE_SIZE, CENTRE_SIZE), bool)
    for shift in shifts.tolist():
        is_free[tuple(slice(max(s, 0), CENTRE_SIZE + min(s, 0)) for s in shift)] = True
    return bool(is_free.all())


def _free(region: pd.DataFrame) -> tuple[NDArray[np.bool_], int]:
    """Return which cells lie in the centre of a patch with label 0, and the side of a cell."""
    side = int(np.gcd.reduce(region[CORNER].to_numpy(np.int64), axis=None, initial=STEP))
    height, width = (region[CORNER].max() + PATCH_SIZE) // side
    free = np.zeros((height, width), bool)
    for place in _places(region, 0):
        free[_centre(place, side)] = True
    return free, side


def _places(region: pd.DataFrame, label: int) -> list[list[int]]:
    places: list[list[int]] = region.loc[region["label"] == label, CORNER].to_numpy().tolist()
    return places


def _centre(place: list[int], side: int) -> tuple[slice, ...]:
    """Return the cells of the centre of a patch at `place`."""
    inner = shards.centre(PATCH_SIZE)
    return tuple(
        slice((start + inner.start) // side, (start + inner.stop) // side) for start in place
    )
