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
    """Return the patches whose labels can't all be right, those with label 1 first: id and found.

    These are each patch with label 1 whose centre is wholly covered by the centres of patches with
    label 0, and the latter. `patches` has the columns of `shards.REGION_COLUMNS` and label.
    """
    found: dict[int, dict[str, str]] = {1: {}, 0: {}}
    labelled = patches[patches["label"].isin([0, 1])]
    num_labels = labelled.groupby("region")["label"].transform("nunique")
    for _, region in labelled[num_labels == 2].groupby("region"):  # noqa: PLR2004  # both labels
        for positive, covering in _covered(region):
            found[1].setdefault(
                positive,
                f"label 1, but its centre is covered by those of {named(covering)} with label 0",
            )
            for id_ in covering:
                found[0].setdefault(id_, f"label 0, but it helps to cover the centre of {positive}")
    rows = [*found[1].items(), *found[0].items()]
    return pd.DataFrame(rows, columns=["id", "found"], dtype="str")


def _covered(region: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Yield each covered patch with label 1, and the patches with label 0 that touch its centre."""
    free, side = _free(region)
    negatives = region[region["label"] == 0]
    for id_, *place in region.loc[region["label"] == 1, ["id", *CORNER]].itertuples(index=False):
        if free[_centre(place, side)].all():
            is_near = (negatives[CORNER] - place).abs().max(axis=1) < CENTRE_SIZE
            yield id_, negatives.loc[is_near, "id"].tolist()


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
