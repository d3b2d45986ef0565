"""Finds the patches of a table that are copies of each other, exact or near.

`neighbours` compares hashes and pixels.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.hashes import neighbours
from metastasis.hashes.neighbours import Pairs
from metastasis.hashes.perceptual import FLAT_STD
from metastasis.patches import shards
from metastasis.patches.shards import Patches


@dataclass(frozen=True)
class Copies:
    """Pairs of rows in a table of patches that are copies; flat patches are in no pair."""

    exact: Pairs
    near: Pairs  # without the exact ones
    num_flat: int


def find(patches: pd.DataFrame, pixels: Patches) -> Copies:
    """Return the copies in a table of patches with the inventory's columns, as row numbers."""
    textured = np.flatnonzero(patches["std"] >= FLAT_STD)
    chosen = patches.iloc[textured]
    sha1 = chosen["sha1"].to_numpy()
    hashes = _hashes(chosen)
    # Compare only one of several exact copies: a thousand copies would give a million pairs.
    _, kept, number = np.unique(sha1, return_index=True, return_inverse=True)
    near = kept[neighbours.near_pairs(hashes[kept])]
    near = neighbours.copies(near, shards.places(chosen), pixels)
    exact = np.stack([kept[number], np.arange(len(chosen))], axis=1)
    exact = exact[exact[:, 0] != exact[:, 1]]
    return Copies(textured[exact], textured[near], len(patches) - len(textured))


def are_copies(patches: pd.DataFrame, known: pd.DataFrame, pixels: Patches) -> pd.Series:
    """Return which of `patches` are exact or near copies of `known` ones, (n,) bool.

    Both tables have the inventory's columns. Neither is compared with itself; flat patches are
    copies of none.
    """
    is_textured = patches["std"] >= FLAT_STD
    known = known[known["std"] >= FLAT_STD].drop_duplicates("sha1")
    asked = patches[is_textured & ~patches["sha1"].isin(known["sha1"])].drop_duplicates("sha1")
    near = neighbours.near_pairs_between(_hashes(asked), _hashes(known))
    both = pd.concat([asked, known])
    near = neighbours.copies(near + np.array([0, len(asked)]), shards.places(both), pixels)
    found = both["sha1"].iloc[np.unique(near)]
    return is_textured & (patches["sha1"].isin(known["sha1"]) | patches["sha1"].isin(found))


def _hashes(patches: pd.DataFrame) -> NDArray[np.uint64]:
    return np.array([int(value, 16) for value in patches["perceptual_hash"]], np.uint64)
