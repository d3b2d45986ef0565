"""Finds the patches of a table that are copies of each other, exact or near.

`neighbours` compares hashes and pixels.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

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
    hashes = np.array([int(value, 16) for value in chosen["perceptual_hash"]], np.uint64)
    # Compare only one of several exact copies: a thousand copies would give a million pairs.
    _, kept, number = np.unique(sha1, return_index=True, return_inverse=True)
    near = kept[neighbours.near_pairs(hashes[kept])]
    near = neighbours.copies(near, shards.places(chosen), pixels)
    exact = np.stack([kept[number], np.arange(len(chosen))], axis=1)
    exact = exact[exact[:, 0] != exact[:, 1]]
    return Copies(textured[exact], textured[near], len(patches) - len(textured))
