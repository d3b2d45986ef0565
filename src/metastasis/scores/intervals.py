"""Knows how sure a number is: 95 % intervals by leaving out one patient or slide at a time.

Patches of a slide aren't independent, nor are slides of a patient; patients are.
What is measured, the caller says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from metastasis import tables

LEVEL = 0.95
# Or patients: below, some metrics have none, and few differences show (docs/evaluation.md).
FEW_SLIDES = 15
MIN_TOLD = 20  # patches of a slide or stain that is named; of fewer an AUC says little
NUM_DEALT = 100  # groups that patches are dealt into where nothing coarser is known
DEAL_SEED = 0

Floats = NDArray[np.float64]
Groups = NDArray[np.integer]
Unit = Literal["patients", "slides", "patches"]
# A share of anything is bounded on both sides, a loss below; what may be 0 is left as it is.
Scale = Literal["logit", "log", "plain"]

UNITS: dict[tables.Unit, Unit] = {"patient": "patients", "slide": "slides", "patch": "patches"}

_TO = {"logit": special.logit, "log": np.log, "plain": np.positive}
_FROM = {"logit": special.expit, "log": np.exp, "plain": np.positive}


def groups(patches: pd.DataFrame) -> tuple[Groups, Unit]:
    """Return what is left out together, numbers of (n,): patients, slides or patches.

    It is the coarsest that is known of all. Single patches are dealt at random into groups, for
    which the jackknife holds as well.
    """
    unit = tables.unit(patches)
    if unit != "patch":
        return patches[unit].factorize()[0], UNITS[unit]
    dealt = np.arange(len(patches)) % NUM_DEALT
    return np.random.default_rng(DEAL_SEED).permutation(dealt), UNITS[unit]


def lowest(rows: pd.DataFrame, column: str, part: str) -> pd.DataFrame:
    """Return the slides or stains of a part but those of few patches, the lowest AUC first.

    `rows` have the columns split, `column` (the name), num_patches and roc_auc.
    """
    is_told = rows["roc_auc"].notna() & (rows["num_patches"] >= MIN_TOLD)
    return rows[(rows["split"] == part) & is_told].sort_values(["roc_auc", column])


def num_informed(labels: NDArray[np.integer], groups: Groups) -> int:
    """Return the groups with patches of a class, of the class that fewer groups have."""
    return min(len(np.unique(groups[labels == label])) for label in (0, 1))


def without_each(measure: Callable[[NDArray[np.bool_]], ArrayLike], groups: Groups) -> Floats:
    """Return the numbers (g, m) that `measure` gives of the patches kept, without each group."""
    return np.array([measure(groups != group) for group in np.unique(groups)], np.float64)


@dataclass(frozen=True)
class Variance:
    """The variance of a number, and the degrees of freedom of what is known of it."""

    value: float
    freedom: float


def jackknife(without: Floats, max_freedom: float) -> Variance:
    """Return the variance of a number from its values (g,) without each group.

    Efron and Stein 1981. The degrees of freedom follow from how evenly the groups bear it: the
    squares of g equal normal deviations have a fourth moment of three. `max_freedom` is the most
    that they may be.
    """
    squares = (without - without.mean()) ** 2
    total, num = squares.sum(), len(without)
    if not total > 0:  # NaN too
        return Variance(float(total), 1)
    freedom = np.clip(3 * total**2 / np.sum(squares**2) - 1, 1, max(max_freedom, 1))
    return Variance(float((num - 1) / num * total), float(freedom))


def student(centre: float, *parts: Variance) -> tuple[float, float]:
    """Return the interval about `centre` whose variance is the sum of `parts`.

    Student's t, with the degrees of freedom of Satterthwaite (1946). NaN where nothing is known of
    the variance.
    """
    total = sum(part.value for part in parts)
    if not total > 0:  # NaN too
        return np.nan, np.nan
    unknown = sum(part.value**2 / part.freedom for part in parts)
    freedom = total**2 / unknown if unknown > 0 else np.inf
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * np.sqrt(total)
    return centre - half, centre + half


def interval(
    estimate: float, without: Floats, scale: Scale, max_freedom: int
) -> tuple[float, float]:
    """Return the interval of a number from its values (g,) without each group.

    It is made on `scale`, where numbers are more nearly normal. NaN where the number isn't defined
    without one of the groups, where it is 0 or 1, which has no logit, or where it doesn't move.
    """
    if max_freedom < 1 or not np.isfinite(_on(scale, np.append(without, estimate))).all():
        return np.nan, np.nan
    ends = student(float(_on(scale, estimate)), jackknife(_on(scale, without), max_freedom))
    low, high = (float(_FROM[scale](end)) for end in ends)
    return (max(low, 0.0), high) if scale == "plain" else (low, high)


def _on(scale: Scale, values: float | Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(_TO[scale](values), np.float64)
