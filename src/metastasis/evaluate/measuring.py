"""Computes metrics from labels and probabilities: pure functions over arrays."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics

from metastasis.scores import intervals

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]

NUM_BINS = 10  # of the calibration error and the reliability diagram
# The scale on which a metric's interval is computed; for all others it is the logit.
SCALES: dict[str, intervals.Scale] = {"nll": "log", "calibration_error": "plain"}
ASKED = 0.95  # sensitivity or specificity at which the other is reported


def summarise(
    labels: Ints,
    probabilities: Floats,
    threshold: float,
    scores: Floats | None = None,
    weights: Floats | None = None,
) -> dict[str, float]:
    """Return the metrics of (n,) labels 0/1 and probabilities 0..1; positive is >= threshold.

    `scores` (n,) rank the patches; their order is that of the probabilities, except that they also
    order confident patches whose probabilities round to the same value. Without scores the
    probabilities rank the patches. `weights` (n,) is how much each patch counts in `region_roc_auc`
    (`once_each`); without them it is the AUC.

    A metric that is not defined is NaN, such as the AUC of a single class, or the precision if
    nothing is called positive. The calibration error is the expected calibration error (Naeini et
    al. 2015) over bins of equal numbers of patches.
    """
    probabilities = probabilities.astype(np.float64)
    scores = probabilities if scores is None else scores
    counts = metrics.confusion_matrix_at_thresholds(labels, scores)
    # The curves begin where nothing is called positive.
    false, true = (np.append(0.0, counts[place]) for place in (1, 3))
    num_negative, num_positive, num_called = false[-1], true[-1], false + true
    with np.errstate(invalid="ignore"):  # 0 / 0 gives NaN: not defined
        sensitivity, specificity = true / num_positive, 1 - false / num_negative
        precision, f1 = true / num_called, 2 * true / (num_called + num_positive)
    lowest_called = np.min(scores[probabilities >= threshold], initial=np.inf)
    here = np.count_nonzero(counts[-1] >= lowest_called)
    truth = np.where(labels == 1, probabilities, 1 - probabilities)  # of the label
    trapezoid = np.trapezoid(sensitivity, 1 - specificity)
    numbers = {
        "roc_auc": trapezoid,
        "region_roc_auc": trapezoid if weights is None else area(labels, scores, weights),
        "average_precision": np.sum(np.diff(sensitivity) * precision[1:]) + 0 * specificity[-1],
        "accuracy": (true[here] + num_negative - false[here]) / len(labels),
        "balanced_accuracy": (sensitivity[here] + specificity[here]) / 2,
        "sensitivity": sensitivity[here],
        "specificity": specificity[here],
        "precision": precision[here],
        "f1": f1[here],
        "nll": -np.mean(np.log(np.maximum(truth, np.finfo(np.float64).eps))),
        "brier": np.mean((1 - truth) ** 2),
        "calibration_error": calibration_error(labels, probabilities),
        "sensitivity_at_95_specificity": np.max(
            np.where(specificity >= ASKED, sensitivity, 0 * specificity)
        ),
        "specificity_at_95_sensitivity": np.max(
            np.where(sensitivity >= ASKED, specificity, 0 * sensitivity)
        ),
    }
    return {name: float(number) for name, number in numbers.items()}


def once_each(regions: pd.Series) -> Floats:
    """Return the weight of each patch with which every region counts once: 1 / its patches."""
    sizes: Floats = regions.groupby(regions).transform("size").to_numpy(np.float64)
    return 1 / sizes


def area(labels: Ints, scores: Floats, weights: Floats | None = None) -> float:
    """Return the AUC of (n,) scores, with each patch's weight; NaN if there is only one class."""
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        return np.nan
    return float(metrics.roc_auc_score(labels, scores, sample_weight=weights))


def interval_ends(
    labels: Ints,
    probabilities: Floats,
    threshold: float,
    groups: intervals.Groups,
    scores: Floats | None = None,
    weights: Floats | None = None,
) -> dict[str, tuple[float, float]]:
    """Return the ends of the interval of each metric of `summarise`, over `groups` (n,).

    They are NaN if there is no interval, for example if there is only one group.
    """
    scores = probabilities if scores is None else scores

    def measure(kept: NDArray[np.bool_]) -> dict[str, float]:
        rest = None if weights is None else weights[kept]
        return summarise(labels[kept], probabilities[kept], threshold, scores[kept], rest)

    return intervals.ends(measure, labels, groups, SCALES)


def curves(labels: Ints, scores: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return the sensitivity at the false positive rates `at`, and the precision at these recalls.

    The sensitivity is interpolated linearly; the precision is that of the next point.
    """
    fpr, sensitivity, _ = metrics.roc_curve(labels, scores)
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    following = np.searchsorted(recall[::-1], at)
    return np.interp(at, fpr, sensitivity), precision[::-1][following]


def calibration(labels: Ints, probabilities: Floats) -> tuple[Floats, Floats, Ints]:
    """Return mean probability, share of positives and number of patches of bins of equal size.

    Equal probabilities are always in the same bin: otherwise their bins would be arbitrary.
    """
    order = np.argsort(probabilities, kind="stable")
    ranked = probabilities[order]
    sizes = [len(part) for part in np.array_split(order, NUM_BINS) if len(part)]
    starts = np.unique(np.searchsorted(ranked, ranked[np.cumsum(sizes) - sizes]))
    num_patches = np.diff(np.append(starts, len(order)))
    mean, share = (
        np.add.reduceat(values[order].astype(np.float64), starts) / num_patches
        for values in (probabilities, labels)
    )
    return mean, share, num_patches


def calibration_error(labels: Ints, probabilities: Floats) -> float:
    """Return the mean absolute difference between the bins' mean probability and positive share."""
    mean, share, num_patches = calibration(labels, probabilities)
    return float(np.average(np.abs(mean - share), weights=num_patches))
