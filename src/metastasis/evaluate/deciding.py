"""Chooses the temperature and the threshold on validation.

`results.decision` defines the decision's file.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from sklearn import metrics

from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.patches.symmetries import TestTime
from metastasis.results.decision import Decision

# Bounds. If a network separates the classes perfectly, the fitted temperature would go to 0 and
# every probability to 0 or 1.
TEMPERATURES = (0.3, 20.0)

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


def decide(labels: Ints, logits: Floats, *, sensitivity: float | None, tta: TestTime) -> Decision:
    """Return the decision for the labels and logits (n,) of validation.

    Raises:
        InputError: validation holds only one class.
    """
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        raise InputError(
            f"evaluate: the {len(labels):,} validation patches are all of one class; choosing a "
            "threshold needs both. Choose another split.seed, or a larger split.validation."
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
    """Return the temperature that calibrates the (n,) logits best when they are divided by it.

    Temperature scaling (Guo et al. 2017) minimises the mean negative log-likelihood. It changes the
    network's confidence, but never the order of patches. If the minimum is beyond a bound in
    `TEMPERATURES`, that bound is returned.
    """
    signed = np.where(labels == 1, -1, 1) * logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, signed * np.exp(-log_temperature))))

    low, high = np.log(TEMPERATURES)
    found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded")
    # The bounded search never returns a bound itself.
    at_bounds = {temperature: loss(np.log(temperature)) for temperature in TEMPERATURES}
    best = min(at_bounds, key=at_bounds.__getitem__)
    return best if at_bounds[best] <= found.fun else float(np.exp(found.x))


def choose_threshold(labels: Ints, probabilities: Floats, sensitivity: float | None) -> float:
    """Return the threshold: the lowest probability that is called positive.

    Without `sensitivity` it maximises Youden's J (sensitivity + specificity - 1; Youden 1950).
    With `sensitivity` it is the highest threshold that reaches this sensitivity. It is rounded
    down to the digits of a file, so that the value read back calls the same patches positive.
    """
    fpr, tpr, thresholds = metrics.roc_curve(labels, probabilities, drop_intermediate=False)
    # The first point has an infinite threshold and calls nothing positive.
    fpr, tpr, thresholds = fpr[1:], tpr[1:], thresholds[1:]
    chosen = np.argmax(tpr - fpr) if sensitivity is None else np.argmax(tpr >= sensitivity)
    return files.rounded_down(float(thresholds[chosen]))
