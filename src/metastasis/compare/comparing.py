"""Judges whether one side's models beat the other's, by the AUC difference and its interval.

Both sides are scored on the same patches. The caller supplies the scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import tables
from metastasis.base.errors import InputError, named
from metastasis.compare import delong
from metastasis.scores import intervals

ENOUGH_MODELS = 3  # distinct models per side that a claim about a recipe needs
NUM_DIGITS = 12  # of a difference; further digits are rounding error

Verdict = Literal["improved", "regressed", "no evidence"]
Floats = NDArray[np.float64]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Comparison:
    """The AUCs of each side's models on the test patches, and the difference with its interval."""

    base: tuple[float, ...]
    head: tuple[float, ...]
    difference: float  # of the means, head - base
    low: float  # of the difference; NaN if there is no interval
    high: float
    unit: intervals.Unit
    num_patches: int
    num_units: int  # patients, slides, regions or, if most are unknown, patches
    num_unknown: int  # patches whose patient or slide is unknown, where that is the unit
    are_identical: bool  # every logit of every model
    is_about_recipes: bool  # each side has enough models for a claim about its recipe

    @property
    def verdict(self) -> Verdict:
        """The verdict: no evidence if the interval contains zero, or if there is no interval.

        Identical predictions have no interval.
        """
        if self.low > 0:
            return "improved"
        return "regressed" if self.high < 0 else "no evidence"


def compare(base: Sequence[pd.DataFrame], head: Sequence[pd.DataFrame]) -> Comparison:
    """Compare the models of `head` with those of `base` on the test patches.

    Each model is given by its scores: a table of id, split, label, slide, patient and logit. The
    interval of the difference is over patients or slides (`intervals`); with several models on a
    side it includes their scatter. If most slides are unknown, it is over regions of patches that
    overlap, and if these are unknown too, it is DeLong's over patches; both are too narrow.

    Raises:
        InputError: there is no test part, the test patches differ, or an AUC isn't defined.
    """
    first, *others = (_test_part(scores) for scores in (*base, *head))
    for other in others:
        _check_same(first, other)
    labels = first["label"].to_numpy()
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        raise InputError(
            f"the {len(labels):,} test patches are of one class; no AUC is defined. "
            "Choose another split.seed, or a larger split.test, and reproduce both."
        )
    logits = np.array([part["logit"].to_numpy(np.float64) for part in (first, *others)])
    base_logits, head_logits = (_distinct(of) for of in np.split(logits, [len(base)]))
    logits = np.concatenate([base_logits, head_logits])  # a model given twice counts once
    num_base, num_head = len(base_logits), len(head_logits)
    areas, covariance = delong.areas(labels, logits)
    sides = areas[:num_base], areas[num_base:]
    share = np.repeat([-1 / num_base, 1 / num_head], [num_base, num_head])
    difference = _difference(areas, share)
    known = _best_known([first, *others])
    groups, unit = intervals.groups(known)
    if unit != "patches":
        variance = _variance_over_units(labels, logits, groups, share)
    else:
        variance = intervals.Variance(float(share @ covariance @ share), np.inf)
    low, high = intervals.student(difference, variance, *map(_scatter, sides))
    return Comparison(
        base=tuple(sides[0].tolist()),
        head=tuple(sides[1].tolist()),
        difference=difference,
        low=low,
        high=high,
        unit=unit,
        num_patches=len(labels),
        num_units=_num_units(known),
        num_unknown=intervals.num_unknown(known),
        are_identical=bool((logits == logits[0]).all()),
        is_about_recipes=min(num_base, num_head) >= ENOUGH_MODELS,
    )


def _distinct(logits: Floats) -> Floats:
    """Return the distinct rows, in the order of their first occurrence."""
    _, firsts = np.unique(logits, axis=0, return_index=True)
    return logits[np.sort(firsts)]


def _difference(areas: Floats, share: Floats) -> float:
    return round(float(share @ areas), NUM_DIGITS)


def _best_known(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the table with the coarsest unit, known for the most patches, and the fewest of it.

    Scores from older versions of the project have no patients or no regions, and regions are joined
    by patches that another version may have left out.
    """

    def order(part: pd.DataFrame) -> tuple[int, int, int]:
        unit = tables.ALL_UNITS.index(intervals.unit(part))
        return unit, intervals.num_unknown(part), _num_units(part)

    return min(parts, key=order)


def _num_units(part: pd.DataFrame) -> int:
    unit = intervals.unit(part)
    return len(part) if unit == "patch" else part[unit].nunique()


def _variance_over_units(
    labels: Ints, logits: Floats, groups: intervals.Groups, share: Floats
) -> intervals.Variance:
    def measure(kept: NDArray[np.bool_]) -> list[float]:
        return [_difference(delong.areas(labels[kept], logits[:, kept])[0], share)]

    without = intervals.without_each(measure, groups)
    max_freedom = intervals.num_informed(labels, groups) - 1
    return intervals.jackknife(without[:, 0], max_freedom)


def _scatter(areas: Floats) -> intervals.Variance:
    """Return the variance of the mean AUC of a side's models; it is unknown for a single model."""
    if len(areas) < 2:  # noqa: PLR2004  # what scatters
        return intervals.Variance(0, 1)
    return intervals.Variance(float(np.var(areas, ddof=1)) / len(areas), len(areas) - 1)


def _test_part(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the checked rows of the test patches, sorted by id."""
    part = scores[scores["split"] == "test"].sort_values("id", ignore_index=True)
    if not len(part):
        raise InputError(
            f"none of a model's {len(scores):,} scores is of the test part, so there is nothing "
            "to compare. Set split.test above 0 and reproduce."
        )
    is_repeated = part["id"].duplicated()
    if is_repeated.any():
        raise InputError(
            f"{is_repeated.sum():,} rows of the test part repeat an id "
            f"({named(part['id'][is_repeated])}); evaluate writes each id once. Run it again."
        )
    is_number = np.isfinite(part["logit"].to_numpy(np.float64))
    if not is_number.all():
        raise InputError(
            f"the logits of {(~is_number).sum():,} test patches are not numbers "
            f"({named(part['id'][~is_number])}); the model's weights are broken. Train it again."
        )
    return part


def _check_same(first: pd.DataFrame, other: pd.DataFrame) -> None:
    """Raise unless both tables hold the same test patches with the same labels and slides.

    One of the tables may lack patients.
    """
    ids, other_ids = set(first["id"]), set(other["id"])
    if ids != other_ids:
        raise InputError(
            f"the test sets differ: {len(ids & other_ids):,} patches are in both, "
            f"{len(ids - other_ids):,} and {len(other_ids - ids):,} in only one "
            f"({named(sorted(ids ^ other_ids))}). Only numbers on the same patches can be "
            "compared: reproduce both with the same data and the same section `split` of "
            "params.yaml."
        )
    is_other = {
        name: ~((first[name] == other[name]) | (first[name].isna() & other[name].isna()))
        for name in ("label", "slide")
    }
    if "patient" in first and "patient" in other:
        both = first["patient"].notna() & other["patient"].notna()
        is_other["patient"] = both & (first["patient"] != other["patient"])
    for name, rows in is_other.items():
        if rows.any():
            raise InputError(
                f"{rows.sum():,} test patches have a different {name} in two models "
                f"({named(first['id'][rows])}); reproduce both with the same data."
            )
