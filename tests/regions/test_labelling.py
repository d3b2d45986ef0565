"""Labels that geometry alone refutes are found, and right labels never are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.regions import labelling
from metastasis.regions.labelling import Cell

Rows = list[tuple[str, int, int, int]]  # id, down, right, label

positions = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=2, max_size=20, unique=True
)


def region(rows: Rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["id", "down", "right", "label"])
    return table.assign(region="r", pool="labelled")


def labelled(tumour: np.ndarray, corners: list[tuple[int, int]]) -> Rows:
    """Return the patches at `corners` with the labels that the tumour mask gives."""
    return [
        (f"p{n:02}", y, x, int(tumour[y + 32 : y + 64, x + 32 : x + 64].any()))
        for n, (y, x) in enumerate(corners)
    ]


def mask(seed: int) -> np.ndarray:
    """Return a tumour mask, (400, 400), of a few small blobs."""
    random = np.random.default_rng(seed)
    tumour = np.zeros((400, 400), bool)
    for y, x, side in zip(
        *random.integers(0, 380, (2, 12)), random.integers(1, 20, 12), strict=True
    ):
        tumour[y : y + side, x : x + side] = True
    return tumour


@given(st.integers(0, 2**32 - 1), positions, st.sampled_from([1, 5, 16]))
def test_right_labels_contradict_nothing_and_every_cell_is_as_the_mask_has_it(
    seed: int, places: list[tuple[int, int]], step: int
) -> None:
    tumour = mask(seed)
    table = region(labelled(tumour, [(y * step, x * step) for y, x in places]))
    shown = table.assign(**(table[["down", "right"]] - table[["down", "right"]].min()))
    assert not len(labelling.contradictions(shown))
    found = labelling.cells(shown)
    origin = table[["down", "right"]].min().to_numpy()
    for row, column in np.ndindex(found.states.shape):
        y, x = origin + np.array([row, column]) * found.side
        has_tumour = tumour[y : y + found.side, x : x + found.side].any()
        if found.states[row, column] == Cell.FREE:
            assert not has_tumour
        if found.states[row, column] == Cell.TUMOUR:
            assert has_tumour


COVER: Rows = [("left", 0, 0, 0), ("right", 0, 32, 0), ("middle", 0, 16, 1)]


def test_a_positive_centre_that_negative_ones_cover_is_found_with_them() -> None:
    found = labelling.contradictions(region(COVER))
    assert found["id"].tolist() == ["middle"]
    assert "left, right with label 0" in found["found"][0]


def test_patches_far_apart_in_one_region_need_little_memory() -> None:
    rows = [(f"n{number}", 16 * number, 16 * number, 0) for number in range(10_000)]
    table = region([*rows, ("p", 17, 17, 1), ("far", 159_984, 0, 1)])
    assert not len(labelling.contradictions(table))


@pytest.mark.parametrize(
    "rows",
    [
        [("left", 0, 0, 0), ("right", 0, 33, 0), ("middle", 0, 16, 1)],  # a gap of one pixel
        [("left", 0, 0, 0), ("right", 1, 32, 0), ("middle", 0, 16, 1)],  # a corner is left
        [("left", 0, 0, 0), ("middle", 0, 16, 1)],
        [("left", 0, 0, 1), ("right", 0, 32, 1), ("middle", 0, 16, 0)],  # may be beside it
        [("left", 0, 0, 0), ("right", 0, 32, -1), ("middle", 0, 16, 1)],  # no label
    ],
)
def test_a_centre_that_is_not_wholly_covered_contradicts_nothing(rows: Rows) -> None:
    assert not len(labelling.contradictions(region(rows)))


def test_regions_are_judged_apart() -> None:
    table = region(COVER)
    table["region"] = ["a", "b", "a"]
    assert not len(labelling.contradictions(table))


def test_the_only_cell_that_is_left_of_a_positive_centre_holds_tumour() -> None:
    rows = [("left", 0, 0, 0), ("below", 16, 16, 0), ("middle", 0, 16, 1)]
    found = labelling.cells(region(rows))
    assert found.side == 16
    # The middle's centre has the cells (2, 3), (2, 4), (3, 3), (3, 4); only (2, 4) is left.
    assert found.states[2, 4] == Cell.TUMOUR
    assert (found.states[2:4, 2:4] == Cell.FREE).all()
    assert found.states[0, 0] == Cell.UNKNOWN


def test_of_two_cells_that_are_left_either_may_hold_tumour() -> None:
    found = labelling.cells(region([("left", 0, 0, 0), ("middle", 0, 16, 1)]))
    assert (found.states[2:4, 4] == Cell.POSSIBLE).all()


def test_without_a_common_step_the_cells_are_pixels() -> None:
    assert labelling.cells(region([("a", 0, 0, 0), ("b", 3, 7, 1)])).side == 1
