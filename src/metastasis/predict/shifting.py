"""Compares the unlabelled patches with the labelled ones: shift from validation, and copies."""

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from metastasis import stains
from metastasis.hashes import copies
from metastasis.patches import shards
from metastasis.patches.shards import Patches
from metastasis.results.prediction import MEASURES, Shift, Unlabelled
from metastasis.scores import intervals

BATCH = 1024  # patches whose sharpness is measured at a time
MIN_GROUPS = 5  # of each side: from fewer, nothing is told

Floats = NDArray[np.float64]


def compare(
    labelled: pd.DataFrame,
    unlabelled: pd.DataFrame,
    inventory: pd.DataFrame,
    patches: Patches,
    regions: pd.DataFrame,
) -> Unlabelled:
    """Return the shift of the `unlabelled` patches (id, probability), and how many are copies.

    `labelled` (id, split, patient, slide, region, probability) are all labelled patches; the
    probability of the validation patches is compared. `inventory` measures the patches, `regions`
    names those of `patches` that overlap (`shards.REGION_COLUMNS`).
    """
    facts = inventory.set_index(["pool", "id"])
    seen = _with_facts(labelled, facts, "labelled")
    asked = _with_facts(unlabelled, facts, "unlabelled")
    validation = seen[seen["split"] == "validation"].reset_index(drop=True)
    asked = asked.assign(patient=None, slide=None, region=_regions(asked["id"], regions))
    groups, over = intervals.groups(asked)
    validation_groups, validation_over = intervals.groups(validation)
    shifts: list[Shift] = []
    if len(validation) and len(asked):
        measures = np.concatenate([_measures(validation, patches), _measures(asked, patches)])
        side = np.repeat([0, 1], [len(validation), len(asked)])
        apart = np.concatenate([validation_groups, groups + validation_groups.max() + 1])
        shifts = list(_shifts(measures, side, apart))
    return Unlabelled(
        num_patches=len(asked),
        num_copies=int(copies.are_copies(asked, seen, patches).sum()),
        num_validation=len(validation),
        over=over,
        validation_over=validation_over,
        shifts=tuple(shifts),
    )


def sharpness(patches: Patches, places: shards.Places) -> Floats:
    """Return the variance of the Laplacian of the grey patches at `places`, (n,).

    Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy, ICPR.
    """
    found = np.empty(len(places))
    for start in range(0, len(places), BATCH):
        for number, patch in enumerate(patches.take(places[start : start + BATCH]), start):
            grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
            found[number] = cv2.Laplacian(grey, cv2.CV_64F).var()
    return found


def _with_facts(patches: pd.DataFrame, facts: pd.DataFrame, pool: shards.Pool) -> pd.DataFrame:
    rows = facts.loc[[(pool, id_) for id_ in patches["id"]]].reset_index(drop=True)
    return pd.concat([patches.reset_index(drop=True), rows], axis=1)


def _regions(ids: pd.Series, regions: pd.DataFrame) -> pd.Series:
    """Return the region of each unlabelled patch; one that overlaps none is its own."""
    known = regions[regions["pool"] == "unlabelled"].set_index("id")["region"].to_dict()
    return pd.Series([known.get(id_, id_) for id_ in ids], dtype="str")


def _measures(patches: pd.DataFrame, pixels: Patches) -> Floats:
    """Return the measures (n, m) of a table of patches, in the order of `MEASURES`."""
    colours = patches[stains.COLOURS].to_numpy(np.float64)
    haematoxylin, eosin = stains.unmix(stains.optical_density(colours)).T
    columns = {
        "haematoxylin": haematoxylin,
        "eosin": eosin,
        "brightness": patches["mean"],
        "contrast": patches["std"],
        "sharpness": sharpness(pixels, shards.places(patches)),
        "probability": patches["probability"],
    }
    return np.column_stack([np.asarray(columns[name], np.float64) for name in MEASURES])


def _shifts(
    measures: Floats, side: NDArray[np.integer], groups: intervals.Groups
) -> Iterator[Shift]:
    def superiorities(kept: NDArray[np.bool_]) -> dict[str, float]:
        more, less = measures[kept & (side == 1)], measures[kept & (side == 0)]
        if not len(more) or not len(less):
            return dict.fromkeys(MEASURES, np.nan)
        # Asymptotic, since the exact p takes long, and no p is used.
        wins = stats.mannwhitneyu(more, less, axis=0, method="asymptotic").statistic
        return dict(zip(MEASURES, wins / (len(more) * len(less)), strict=True))

    found = superiorities(np.ones(len(side), bool))
    are_few = intervals.num_informed(side, groups) < MIN_GROUPS
    for name, ends in intervals.ends(superiorities, side, groups).items():
        # The logit of sides that are entirely apart is infinite, so that they have no interval.
        is_apart = found[name] in {0, 1}
        low, high = (found[name], found[name]) if is_apart else ends
        is_told = not are_few and not np.isnan(low)
        yield Shift(
            measure=name,
            superiority=found[name],
            low=low if is_told else None,
            high=high if is_told else None,
        )
