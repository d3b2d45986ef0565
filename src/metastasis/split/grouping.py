"""Finds which patches belong together: one patient, slide or stain, and copies of each other.

`splitting` decides into which split a group goes.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from metastasis import stains
from metastasis.hashes.copies import Copies
from metastasis.hashes.neighbours import Pairs
from metastasis.tables import UNITS

NUM_STAINS = 24  # clusters of stain, about as many as scanners and weeks of a laboratory cause


@dataclass(frozen=True)
class Links:
    """Pairs of rows of a table of patches that belong together: copies, and those that overlap."""

    copies: Copies
    overlaps: Pairs

    @property
    def pairs(self) -> Pairs:
        """All of them."""
        return np.concatenate([self.copies.exact, self.copies.near, self.overlaps])


def find_overlaps(patches: pd.DataFrame, overlaps: pd.DataFrame) -> Pairs:
    """Return the pairs of labelled patches in `overlaps`, by the rows of the table of patches."""
    rows = pd.Series(np.arange(len(patches)), patches["id"])
    is_labelled = (overlaps[["pool", "other_pool"]] == "labelled").all(axis=1)
    pairs = overlaps.loc[is_labelled, ["id", "other_id"]]
    pairs = pairs[pairs.isin(rows.index).all(axis=1)]  # the gate may have left one out
    return np.column_stack([rows.loc[pairs[name]] for name in pairs]).astype(np.int64)


def by_unit(patches: pd.DataFrame) -> pd.Series:
    """Return the patient of each patch; if unknown, its slide; if unknown, a name of its own."""
    groups = "patch:" + patches["id"]
    for unit in reversed([unit for unit in UNITS if unit in patches]):
        names = patches[unit] if unit == "slide" else f"{unit}:" + patches[unit]
        groups = names.where(names.notna(), groups)
    return groups.astype("str")


def by_stain(patches: pd.DataFrame, seed: int) -> pd.Series:
    """Return the stain cluster of each patch, a pessimistic substitute for unknown slides.

    Slides of one laboratory share a cluster, and a slide with several stains is in several: a split
    by stain holds out stains, not slides. Patches of one region are in the cluster of their mean
    colour. If they joined their clusters instead, a few overlaps would make one group of most.
    """
    colours = patches.groupby("region")[stains.COLOURS].transform("mean").to_numpy(np.float64)
    clusters = stains.clusters(colours, NUM_STAINS, seed)
    return pd.Series([f"stain:{number:02d}" for number in clusters], patches.index, dtype="str")


def join(patches: pd.DataFrame, groups: pd.Series, links: Links) -> pd.Series:
    """Return the group of each patch; linked groups are joined under the first name."""
    codes, names = pd.factorize(groups, sort=True)
    pairs = codes[links.pairs]
    graph = coo_array((np.ones(len(pairs), bool), pairs.T), (len(names), len(names)))
    _, joined = connected_components(graph, directed=False)
    first = pd.Series(names).groupby(joined).transform("min").to_numpy()
    return pd.Series(first[codes], patches.index, dtype="str")


def leaks(patches: pd.DataFrame, links: Links, splits: Collection[str]) -> dict[str, int]:
    """Return the numbers of patients, slides and linked pairs in more than one of `splits`.

    Patches of validation and test that overlap a training patch are counted, too. If no patient is
    known, patients are left out, and likewise slides.
    """
    split = patches["split"].where(patches["split"].isin(splits))
    shared = {}
    for unit in UNITS:
        if unit in patches and patches[unit].notna().any():
            homes = patches[[unit]].assign(split=split).dropna().drop_duplicates()
            shared[f"num_{unit}s"] = homes.loc[homes[unit].duplicated(), unit].nunique()
    return shared | {
        "num_exact_copies": _num_apart(links.copies.exact, split),
        "num_near_copies": _num_apart(links.copies.near, split),
        "num_overlaps": _num_apart(links.overlaps, split),
        "num_patches_on_train": _num_on_train(links.overlaps, split),
    }


def _num_on_train(overlaps: Pairs, split: pd.Series) -> int:
    """Return the number of patches of other parts that overlap a training patch."""
    ends = split.to_numpy()[overlaps]
    is_on_train = (ends[:, ::-1] == "train") & (ends != "train") & pd.notna(ends)
    return len(np.unique(overlaps[is_on_train]))


def _num_apart(pairs: Pairs, split: pd.Series) -> int:
    first, second = (split.iloc[rows].reset_index(drop=True) for rows in pairs.T)
    return int((first.notna() & second.notna() & (first != second)).sum())
