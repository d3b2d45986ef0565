"""Knows which patches belong together: of one patient, slide or stain, and copies of each other.

Into which split a group goes, `splitting` decides.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from metastasis.patches import shards
from metastasis.patches.shards import Patches
from metastasis.pixels import stains
from metastasis.pixels.perceptual import FLAT_STD
from metastasis.split import neighbours
from metastasis.split.neighbours import Pairs
from metastasis.tables import UNITS

NUM_STAINS = 24  # clusters of stain: as many as a scanner and a laboratory's weeks might make


@dataclass(frozen=True)
class Copies:
    """Pairs of rows of a table of patches that show the same; flat patches are in none."""

    exact: Pairs
    near: Pairs  # and not exact
    num_flat: int


def find_copies(patches: pd.DataFrame, pixels: Patches) -> Copies:
    """Return the copies among patches with the inventory's columns, in the order of their rows."""
    textured = np.flatnonzero(patches["std"] >= FLAT_STD)
    chosen = patches.iloc[textured]
    sha1 = chosen["sha1"].to_numpy()
    hashes = np.array([int(value, 16) for value in chosen["perceptual_hash"]], np.uint64)
    # Of equal pixels one is compared with others: else a thousand copies would be a million pairs.
    _, kept, number = np.unique(sha1, return_index=True, return_inverse=True)
    near = kept[neighbours.near_pairs(hashes[kept])]
    near = neighbours.copies(near, shards.places(chosen), pixels)
    exact = np.stack([kept[number], np.arange(len(chosen))], axis=1)
    exact = exact[exact[:, 0] != exact[:, 1]]
    return Copies(textured[exact], textured[near], len(patches) - len(textured))


def by_unit(patches: pd.DataFrame) -> pd.Series:
    """Return the patient of each patch, its slide where that is unknown, or a name of its own."""
    groups = "patch:" + patches["id"]
    for unit in reversed([unit for unit in UNITS if unit in patches]):
        names = patches[unit] if unit == "slide" else f"{unit}:" + patches[unit]
        groups = names.where(names.notna(), groups)
    return groups.astype("str")


def by_stain(patches: pd.DataFrame, seed: int) -> pd.Series:
    """Return a cluster of stain for each patch, a pessimistic stand-in for unknown slides.

    Slides of one laboratory share a cluster, and a slide with several stains is in several: it
    holds out stains, not slides.
    """
    colours = patches[["mean_red", "mean_green", "mean_blue"]].to_numpy(np.float64)
    clusters = stains.clusters(colours, NUM_STAINS, seed)
    return pd.Series([f"stain:{number:02d}" for number in clusters], patches.index, dtype="str")


def join(patches: pd.DataFrame, groups: pd.Series, copies: Copies) -> pd.Series:
    """Return the group of each patch, those that share a copy joined, named after their first."""
    codes, names = pd.factorize(groups, sort=True)
    pairs = codes[np.concatenate([copies.exact, copies.near])]
    links = coo_array((np.ones(len(pairs), bool), pairs.T), (len(names), len(names)))
    _, joined = connected_components(links, directed=False)
    first = pd.Series(names).groupby(joined).transform("min").to_numpy()
    return pd.Series(first[codes], patches.index, dtype="str")


def leaks(patches: pd.DataFrame, copies: Copies, splits: Collection[str]) -> dict[str, int]:
    """Return how many patients, slides and pairs of copies stand in more than one of `splits`.

    Where no patient is known, nothing is said about patients, and so with slides.
    """
    split = patches["split"].where(patches["split"].isin(splits))
    shared = {}
    for unit in UNITS:
        if unit in patches and patches[unit].notna().any():
            homes = patches[[unit]].assign(split=split).dropna().drop_duplicates()
            shared[f"num_{unit}s"] = homes.loc[homes[unit].duplicated(), unit].nunique()
    return shared | {
        "num_exact_copies": _num_apart(copies.exact, split),
        "num_near_copies": _num_apart(copies.near, split),
    }


def _num_apart(pairs: Pairs, split: pd.Series) -> int:
    first, second = (split.iloc[rows].reset_index(drop=True) for rows in pairs.T)
    return int((first.notna() & second.notna() & (first != second)).sum())
