"""Computes 95 % intervals by leaving out one patient or slide at a time.

Patches of one slide aren't independent, nor are slides of one patient; patients are. If most slides
are unknown, patches that overlap are left out together.
The caller supplies the metric.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from metastasis import tables

LEVEL = 0.95
# Or patients: with fewer, some metrics have no interval and few differences are detected
# (docs/evaluation.md).
FEW_SLIDES = 15
MIN_TOLD = 20  # patches of a reported slide or stain; an AUC of fewer means little
MOSTLY = 0.5  # share of the patches whose unit has to be known
NUM_DEALT = 100  # random groups of regions or patches, if no slide or patient is known
DEAL_SEED = 0

Floats = NDArray[np.float64]
Groups = NDArray[np.integer]
Unit = Literal["patients", "slides", "regions", "patches"]
# "logit" is for shares, which are bounded on both sides, "log" for losses, which are positive, and
# "plain" for values that may be 0.
Scale = Literal["logit", "log", "plain"]

UNITS: dict[tables.Unit, Unit] = {
    "patient": "patients", "slide": "slides", "region": "regions", "patch": "patches",
}  # fmt: skip
SINGULAR = {plural: unit for unit, plural in UNITS.items()}
INDEPENDENT = ("patients", "slides")  # patches of unlike ones share no slide

_TO = {"logit": special.logit, "log": np.log, "plain": np.positive}
_FROM = {"logit": special.expit, "log": np.exp, "plain": np.positive}


def groups(patches: pd.DataFrame) -> tuple[Groups, Unit]:
    """Return each patch's group (n,), which is left out together, and the unit of the groups.

    The groups are the `units`. Only regions and single patches, of which there are many, are dealt
    at random into groups, for which the jackknife is valid as well.
    """
    codes, unit = units(patches)
    return (codes if unit in INDEPENDENT else _dealt(codes, NUM_DEALT)), unit


def units(patches: pd.DataFrame) -> tuple[Groups, Unit]:
    """Return each patch's patient, slide, region or itself (n,), and which of them it is (`unit`).

    Patches whose unit is unknown are dealt at random into groups as large as the known ones are on
    average: each by itself, they would outnumber the units.
    """
    known = unit(patches)
    if known == "patch":
        return np.arange(len(patches)), UNITS[known]
    codes = _codes(_names(patches, known))
    is_unknown = codes < 0
    if is_unknown.any():
        size = (~is_unknown).sum() / (codes.max() + 1)
        num = max(round(is_unknown.sum() / size), 1)
        codes[is_unknown] = codes.max() + 1 + _dealt(_finer(patches[is_unknown], known), num)
    return codes, UNITS[known]


def unit(patches: pd.DataFrame) -> tables.Unit:
    """Return the unit that most patches have: the best known of patient and slide, else the region.

    If as many patients as slides are known, it is the patient.
    """
    shares = {name: patches[name].notna().mean() for name in tables.UNITS if name in patches}
    best = max(shares, key=shares.__getitem__, default=None)
    if best and is_mostly_known(patches[best]):
        return best
    return "region" if "region" in patches and is_mostly_known(patches["region"]) else "patch"


def is_mostly_known(names: pd.Series) -> bool:
    """Return whether at least half of the names are known."""
    return bool(names.notna().mean() >= MOSTLY)  # NaN without any patches


def num_unknown(patches: pd.DataFrame) -> int:
    """Return the number of patches whose `unit` is unknown."""
    return int((~has_unit(patches)).sum())


def has_unit(patches: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether the `unit` of each patch (n,) is known."""
    known = unit(patches)
    if known == "patch":
        return np.ones(len(patches), bool)
    return _names(patches, known).notna().to_numpy()


def _names(patches: pd.DataFrame, unit: tables.Unit) -> pd.Series:
    """Return the name of each patch's unit, also if only patches of its slide or region have it."""
    names = patches[unit]
    for inner in ("slide", "region"):
        if inner in patches and inner != unit and names.isna().any():
            names = names.fillna(names.groupby(patches[inner]).transform("min"))
    return names


def _finer(patches: pd.DataFrame, unit: tables.Unit) -> Groups:
    """Return the next finer unit that is known of each patch without a `unit`, at last itself."""
    found = np.arange(len(patches))
    finer = tables.ALL_UNITS[tables.ALL_UNITS.index(unit) + 1 :]
    for name in reversed([name for name in finer if name in patches]):
        codes = _codes(_names(patches, name))
        found = np.where(codes >= 0, codes + found.max() + 1, found)
    return np.unique(found, return_inverse=True)[1]


def _codes(names: pd.Series) -> Groups:
    """Return a number for each name, -1 if unknown.

    They are sorted: the order of the rows, which may be a model's ranking, must not matter.
    """
    return names.factorize(sort=True)[0]


def _dealt(codes: Groups, num_groups: int) -> Groups:
    """Return the group of each code (n,), dealt evenly and at random."""
    dealt = np.arange(codes.max(initial=-1) + 1) % num_groups
    return np.random.default_rng(DEAL_SEED).permutation(dealt)[codes]


def lowest(rows: pd.DataFrame, column: str, part: str) -> pd.DataFrame:
    """Return the slides or stains of a part, without those of few patches, the lowest AUC first.

    `rows` have the columns split, `column` (the name), num_patches and roc_auc.
    """
    is_told = rows["roc_auc"].notna() & (rows["num_patches"] >= MIN_TOLD)
    return rows[(rows["split"] == part) & is_told].sort_values(["roc_auc", column])


def num_informed(labels: NDArray[np.integer], groups: Groups) -> int:
    """Return the number of groups with patches of a class, for the class in fewer groups."""
    return min(len(np.unique(groups[labels == label])) for label in (0, 1))


def without_each(measure: Callable[[NDArray[np.bool_]], ArrayLike], groups: Groups) -> Floats:
    """Return the metrics (g, m) that `measure` gives without each of the g groups."""
    return np.array([measure(groups != group) for group in np.unique(groups)], np.float64)


@dataclass(frozen=True)
class Variance:
    """The variance of a number, and the degrees of freedom of this estimate."""

    value: float
    freedom: float


def jackknife(without: Floats, max_freedom: float) -> Variance:
    """Return the variance of a number from its values (g,) without each group.

    The method is Efron and Stein 1981. The degrees of freedom follow from how evenly the groups
    contribute: the squares of g equal normal deviations have a fourth moment of three.
    `max_freedom` is their upper limit.
    """
    squares = (without - without.mean()) ** 2
    total, num = squares.sum(), len(without)
    if not total > 0:  # NaN too
        return Variance(float(total), 1)
    freedom = np.clip(3 * total**2 / np.sum(squares**2) - 1, 1, max(max_freedom, 1))
    return Variance(float((num - 1) / num * total), float(freedom))


def student(centre: float, *parts: Variance) -> tuple[float, float]:
    """Return the interval around `centre` whose variance is the sum of `parts`.

    It is Student's t interval with Satterthwaite's degrees of freedom (1946). It is NaN if the
    variance is unknown.
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

    It is computed on `scale`, where numbers are closer to normal. It is NaN if the number isn't
    defined without one of the groups, is 0 or 1, which have no logit, or doesn't change.
    """
    if max_freedom < 1 or not np.isfinite(_on(scale, np.append(without, estimate))).all():
        return np.nan, np.nan
    ends = student(float(_on(scale, estimate)), jackknife(_on(scale, without), max_freedom))
    low, high = (float(_FROM[scale](end)) for end in ends)
    return (max(low, 0.0), high) if scale == "plain" else (low, high)


def ends(
    measure: Callable[[NDArray[np.bool_]], dict[str, float]],
    labels: NDArray[np.integer],
    groups: Groups,
    scales: Mapping[str, Scale] = MappingProxyType({}),
) -> dict[str, tuple[float, float]]:
    """Return the ends of the interval of each metric that `measure` gives of the patches it keeps.

    They are NaN if there is no interval, for example if there is only one group. The scale is the
    logit where `scales` names no other.
    """
    measured = measure(np.ones(len(labels), bool))
    if len(np.unique(groups)) == 1:
        return dict.fromkeys(measured, (np.nan, np.nan))
    without = without_each(lambda kept: list(measure(kept).values()), groups)
    max_freedom = num_informed(labels, groups) - 1
    return {
        name: interval(number, values, scales.get(name, "logit"), max_freedom)
        for (name, number), values in zip(measured.items(), without.T, strict=True)
    }


def _on(scale: Scale, values: float | Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(_TO[scale](values), np.float64)
