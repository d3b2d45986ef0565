"""Decides on validation how logits are read: the temperature and the threshold.

What the decision is, `results.decision` says.
"""

from decimal import ROUND_FLOOR, Context
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from sklearn import metrics

from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.patches.symmetries import TestTime
from metastasis.results.decision import Decision

# Bounds. Patches that are told apart entirely would have it fall to 0, and every probability become
# 0 or 1.
TEMPERATURES = (0.3, 20.0)

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


def decide(labels: Ints, logits: Floats, *, sensitivity: float | None, tta: TestTime) -> Decision:
    """Return the decision by the labels and logits (n,) of validation.

    Raises:
        InputError: validation holds one class alone.
    """
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        raise InputError(
            f"evaluate: the {len(labels):,} validation patches are of one class; a threshold can "
            "only be chosen between two. Choose another split.seed, or a larger split.validation."
        )
    temperature = float(f"{fit_temperature(labels, logits):.{files.NUM_METRIC_DIGITS}g}")
    bounds: dict[float, Literal["lower", "upper"]]
    bounds = {TEMPERATURES[0]: "lower", TEMPERATURES[1]: "upper"}
    decision = Decision(
        tta=tta,
        temperature=temperature,
        threshold=0.5,
        temperature_bound=bounds.get(temperature),
        model_is_calibrated=True,
    )
    threshold = choose_threshold(labels, decision.probabilities(logits), sensitivity)
    return decision.model_copy(update={"threshold": threshold})


def fit_temperature(labels: Ints, logits: Floats) -> float:
    """Return the temperature by which dividing the (n,) logits gives the likeliest probabilities.

    Temperature scaling (Guo et al. 2017), by the mean negative log-likelihood: it changes how sure
    a network is, and never the order of patches. It is one of `TEMPERATURES` where the likeliest
    lies beyond.
    """
    signed = np.where(labels == 1, -1, 1) * logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, signed * np.exp(-log_temperature))))

    low, high = np.log(TEMPERATURES)
    found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded")
    # What is searched between the bounds stops short of them.
    at_bounds = {temperature: loss(np.log(temperature)) for temperature in TEMPERATURES}
    best = min(at_bounds, key=at_bounds.__getitem__)
    return best if at_bounds[best] <= found.fun else float(np.exp(found.x))


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
