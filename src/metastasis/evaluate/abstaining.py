"""Chooses the sets of classes that cover a new slide's patches as promised, and measures them.

`results.decision` defines what a set holds.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from metastasis.base import files
from metastasis.results.decision import BOTH, NO_TUMOUR, TUMOUR, Decision, Sets
from metastasis.results.evaluation import Abstained, Abstention, Interval, defined
from metastasis.scores import intervals

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]

CLASSES = {TUMOUR: 1, NO_TUMOUR: 0}  # the label of each
SLACK = 1e-9  # of sums of weights: 19 times 1/20 has to reach 0.95


def choose(labels: Ints, probabilities: Floats, groups: intervals.Groups, coverage: float) -> Sets:
    """Return the sets for the labels, probabilities and groups (n,) of validation.

    The groups are the units (`intervals.units`): a new patch comes from a new unit. Each class has
    its own threshold (Mondrian conformal prediction; Vovk et al. 2005), over the groups that hold
    it.
    """
    found = {
        name: lowest(given[labels == label], groups[labels == label], coverage)
        for (name, label), given in zip(
            CLASSES.items(), (probabilities, 1 - probabilities), strict=True
        )
    }
    return Sets(
        coverage=coverage,
        tumour_from=files.rounded_down(found[TUMOUR]),
        no_tumour_from=files.rounded_down(found[NO_TUMOUR]),
    )


def lowest(probabilities: Floats, groups: intervals.Groups, coverage: float) -> float:
    """Return the threshold that a patch of a new group reaches with probability `coverage`.

    `probabilities` and `groups` (n,) are of patches of one class, of the probability of that class.
    Patches of a group aren't exchangeable with those of a new one, but groups are. So each of K
    groups has the weight 1 / (K + 1), shared by its patches, the new group has the rest, and the
    threshold is the weighted quantile (Lee, Barber and Willett 2023, hierarchical conformal
    prediction). With too few groups, K + 1 < 1 / (1 - coverage), it is 0.
    """
    _, of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / (sizes[of] * (len(sizes) + 1))
    order = np.argsort(-probabilities, kind="stable")
    reached = np.cumsum(weights[order]) >= coverage - SLACK
    return float(probabilities[order][np.argmax(reached)]) if reached.any() else 0.0


def least_groups(coverage: float) -> int:
    """Return the number of groups with a class that `lowest` needs for a threshold above 0."""
    return int(np.ceil((1 - SLACK) / (1 - coverage))) - 1


def warnings(sets: Sets, labels: Ints, groups: intervals.Groups, unit: intervals.Unit) -> list[str]:
    """Return a sentence for each class of which validation has too few groups."""
    least, found = least_groups(sets.coverage), []
    for name, label in CLASSES.items():
        num = len(np.unique(groups[labels == label]))
        if num < least:
            found.append(
                f"evaluate.coverage: {sets.coverage:g} takes {least:,} {unit} with patches of "
                f"{name} in validation, which has {num:,}: every set holds {name}. Ask for less, "
                "or make validation larger."
            )
    return found


def measure(part: pd.DataFrame, decision: Decision, groups: intervals.Groups) -> dict[str, Any]:
    """Return the field `abstention` of a part, or nothing if no coverage is promised.

    The part has the columns label, slide, patient, region and probability. The coverage is what is
    promised: each unit counts once. Its interval is over the `groups` (n,).
    """
    held = decision.held(part["probability"].to_numpy())
    if held is None:
        return {}
    labels = part["label"].to_numpy()
    units, _ = intervals.units(part)
    calls = decision.calls(part["probability"].to_numpy())

    def measured(kept: NDArray[np.bool_]) -> dict[str, float]:
        return summarise(labels[kept], held[kept], calls[kept], units[kept])

    values = measured(np.ones(len(part), bool))
    ends = intervals.ends(measured, labels, groups)
    return {
        "abstention": Abstention(
            **{name: defined(value) for name, value in values.items()},
            interval=Abstained[Interval](**Interval.of_each(ends)),
        )
    }


def summarise(
    labels: Ints,
    held: NDArray[np.str_],
    calls: NDArray[np.str_],
    groups: intervals.Groups,
) -> dict[str, float]:
    """Return the metrics of the sets (n,) and calls (n,); NaN if one isn't defined."""
    found = {}
    for name, label in CLASSES.items():
        is_covered = pd.Series(np.isin(held, [name, BOTH])[labels == label])
        shares = is_covered.groupby(groups[labels == label]).mean()
        found[f"{name.replace(' ', '_')}_coverage"] = (
            float(shares.mean()) if len(shares) else np.nan
        )
    is_left = held == BOTH
    is_right = (calls == TUMOUR) == (labels == 1)
    found["left_share"] = float(is_left.mean())
    found["decided_accuracy"] = np.nan if is_left.all() else float(is_right[~is_left].mean())
    return found


def confidences(probabilities: Floats, is_called: NDArray[np.bool_]) -> Floats:
    """Return how likely each call (n,) is to be right, on the scale of logits.

    It isn't the distance from the threshold, which `evaluate.sensitivity` may set so low that an
    even chance of tumour is far above it.
    """
    ends = np.finfo(np.float64)
    logits = special.logit(np.clip(probabilities, ends.tiny, 1 - ends.epsneg))
    return np.asarray(np.where(is_called, logits, -logits))


def risks(is_wrong: NDArray[np.bool_], confidence: Floats, at: Floats) -> Floats:
    """Return the share of wrong calls among the surest patches, for shares `at` of all patches.

    It is the risk-coverage curve (El-Yaniv and Wiener 2010) for the calls and confidences (n,).
    Patches of equal confidence are decided together, evenly.
    """
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.diff(confidence[order]) != 0, True)  # of each confidence
    shares = np.append(0, np.flatnonzero(last) + 1) / len(order)
    wrong = np.append(0, np.cumsum(is_wrong[order])[last]) / len(order)
    return np.interp(at, shares, wrong) / at
