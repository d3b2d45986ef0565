"""Places patches that overlap on a common canvas, by their shifts against each other."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from metastasis.patches.shards import CORNER, PATCH, REGION_COLUMNS

Ints = NDArray[np.integer]


def place(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each patch that overlaps another: its region, and its place in the region.

    `overlaps` has the columns of `shards.OVERLAP_COLUMNS`. A region is a set of patches that
    overlaps connect, named by its first id (`unlabelled:ID` if it has no labelled patch). `down`
    and `right` are the distances, in pixels, of the patch's corner from the region's upper left
    corner. A region in which the shifts of some pairs contradict the others is left out: it shows a
    repeating pattern.
    """
    if not len(overlaps):
        return pd.DataFrame(columns=list(REGION_COLUMNS)).astype(dict.fromkeys(CORNER, np.int64))
    sides = [
        overlaps[[f"{side}pool", f"{side}id"]].set_axis(PATCH, axis=1) for side in ("", "other_")
    ]
    patches = pd.concat(sides, ignore_index=True)
    first, second = np.split(patches.groupby(PATCH).ngroup().to_numpy(), 2)
    shifts = overlaps[CORNER].to_numpy(np.int64)
    placed = patches.drop_duplicates().sort_values(PATCH, ignore_index=True)
    region, corners = _corners(first, second, shifts, len(placed))
    is_contradicted = (corners[second] - corners[first] != shifts).any(axis=1)
    is_kept = ~np.isin(region, region[first[is_contradicted]])
    placed[CORNER] = corners
    names = placed["id"].where(placed["pool"] == "labelled", "unlabelled:" + placed["id"])
    placed["region"] = names.groupby(region).transform("first")
    placed[CORNER] -= placed.groupby(region)[CORNER].transform("min")
    return placed.loc[is_kept, list(REGION_COLUMNS)].reset_index(drop=True)


def _corners(first: Ints, second: Ints, shifts: Ints, num: int) -> tuple[Ints, Ints]:
    """Return the number of each patch's region, (n,), and its place, (n, 2), on a tree of pairs."""
    one, other = np.concatenate([first, second]), np.concatenate([second, first])
    graph = coo_array((np.ones(len(one)), (one, other)), (num, num))
    _, region = connected_components(graph, directed=False)
    _, roots = np.unique(region, return_index=True)
    # One more patch, joined to the first of each region, makes a single tree of all regions.
    edges = np.concatenate([one, np.full(len(roots), num)]), np.concatenate([other, roots])
    joined = coo_array((np.ones(len(edges[0])), edges), (num + 1, num + 1))
    order, parents = breadth_first_order(joined.tocsr(), num)
    steps = _steps(one, other, np.concatenate([shifts, -shifts]), parents[:num], num)
    corners = np.zeros((num + 1, 2), np.int64)
    for patch in order[1:]:  # parents come before their children
        corners[patch] = corners[parents[patch]] + steps[patch]
    return region, corners[:num]


def _steps(one: Ints, other: Ints, shifts: Ints, parents: Ints, num: int) -> Ints:
    """Return the shift of each patch against its parent; 0 for the first of a region."""
    keys = one * num + other
    order = np.argsort(keys, kind="stable")
    wanted = parents * num + np.arange(num)
    is_child = parents < num
    steps = np.zeros((num, 2), np.int64)
    steps[is_child] = shifts[order[np.searchsorted(keys[order], wanted[is_child])]]
    return steps
