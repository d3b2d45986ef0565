"""Decides on validation how logits are read: the temperature and the threshold.

What is written down here belongs to the final model, which has the temperature inside already.
"""

from decimal import ROUND_FLOOR, Context
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from scipy import optimize, special
from sklearn import metrics

from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.patches.symmetries import TestTime

# Bounds. Patches that are told apart entirely would have it fall to 0, and every probability become
# 0 or 1.
TEMPERATURES = (0.3, 20.0)

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


class Decision(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How patches are scored, and what follows from a score."""

    tta: TestTime
    temperature: pydantic.PositiveFloat
    threshold: pydantic.FiniteFloat  # the probability from which on a patch is called positive
    # Where the likeliest temperature lies beyond a bound: then the one given is no finding.
    temperature_bound: Literal["lower", "upper"] | None = None
    # The final model divides by the temperature itself, and the threshold is of its probabilities.
    model_is_calibrated: Literal[True] = True

    def probabilities(self, logits: Floats) -> NDArray[np.float64]:
        """Return the calibrated probabilities of tumour, (n,), of logits (n,)."""
        return np.asarray(special.expit(logits.astype(np.float64) / self.temperature))


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
        tta=tta, temperature=temperature, threshold=0.5, temperature_bound=bounds.get(temperature)
    )
    threshold = choose_threshold(labels, decision.probabilities(logits), sensitivity)
    return decision.model_copy(update={"threshold": threshold})


def write(path: Path, decision: Decision) -> None:
    """Write a decision so that `read` gives it back."""
    files.write_json(path, decision.model_dump())


def read(path: Path) -> Decision:
    """Return the decision that `evaluate` wrote.

    Raises:
        InputError: the file holds something else.
    """
    try:
        return Decision.model_validate_json(path.read_text(encoding="utf-8"))
    except pydantic.ValidationError as error:
        raise InputError(
            f"{path} is no decision that evaluate wrote: {error.errors()[0]['msg']} "
            f"({'.'.join(map(str, error.errors()[0]['loc']))}). Run evaluate again."
        ) from error


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


def warning(decision: Decision) -> str | None:
    """Return what a temperature at its bound means, as a sentence; nothing of any other."""
    if decision.temperature_bound is None:
        return None
    meanings = {
        "lower": "the network tells validation's classes apart (nearly) entirely, so that no patch "
        "says how sure it may be",
        "upper": "on validation the network ranks no better than chance, and every probability "
        "comes near 0.5",
    }
    return (
        f"the temperature is at its {decision.temperature_bound} bound, "
        f"{decision.temperature:g}: {meanings[decision.temperature_bound]}. The probabilities "
        "aren't calibrated by it; choose another split, or train longer."
    )


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
