"""Numbers and thresholds from labels and probabilities: pure functions over arrays."""

from decimal import ROUND_FLOOR, Context

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from metastasis import files

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]
Scored = tuple[Ints, Floats]  # labels and probabilities of the same patches


def summarize(labels: Ints, probabilities: Floats, threshold: float) -> dict[str, float | int]:
    """Return the metrics of (n,) labels 0/1 and probabilities 0..1; positive is >= threshold.

    Raises:
        ValueError: only one class is there, so that most metrics are not defined.
    """
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        raise ValueError(f"{len(labels)} labels of one class; expected both 0 and 1")
    predictions = probabilities >= threshold
    sensitivity = metrics.recall_score(labels, predictions)
    specificity = metrics.recall_score(labels, predictions, pos_label=0)
    return {
        "num_patches": len(labels),
        "roc_auc": metrics.roc_auc_score(labels, probabilities),
        "average_precision": metrics.average_precision_score(labels, probabilities),
        "accuracy": metrics.accuracy_score(labels, predictions),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "precision": metrics.precision_score(labels, predictions, zero_division=0.0),
        "f1": metrics.f1_score(labels, predictions, zero_division=0.0),
        "nll": metrics.log_loss(labels, probabilities.astype(np.float64)),
        "brier": metrics.brier_score_loss(labels, probabilities),
    }


def choose_threshold(labels: Ints, probabilities: Floats, sensitivity: float | None) -> float:
    """Return the probability from which on a patch is called positive.

    Without `sensitivity` it maximises Youden's J (sensitivity + specificity - 1; Youden 1950); with
    it, it is the highest threshold that reaches this sensitivity. It is rounded down to the digits
    of a file, so that what is read back calls the same patches positive.
    """
    fpr, tpr, thresholds = metrics.roc_curve(labels, probabilities, drop_intermediate=False)
    # The first point calls nothing positive, at an infinite threshold.
    fpr, tpr, thresholds = fpr[1:], tpr[1:], thresholds[1:]
    chosen = np.argmax(tpr - fpr) if sensitivity is None else np.argmax(tpr >= sensitivity)
    written = Context(prec=files.NUM_METRIC_DIGITS, rounding=ROUND_FLOOR)
    return float(written.create_decimal(str(float(thresholds[chosen]))))


def calibration(labels: Ints, probabilities: Floats, num_bins: int = 10) -> tuple[Floats, Floats]:
    """Return mean probability and share of positives of bins of equal numbers of patches."""
    order = np.argsort(probabilities, kind="stable")
    bins = [part for part in np.array_split(order, num_bins) if len(part)]
    mean = np.array([probabilities[part].mean() for part in bins])
    share = np.array([labels[part].mean() for part in bins])
    return mean, share
