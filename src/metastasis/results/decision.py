"""Defines the decision that `evaluate` makes on validation; it belongs to the final model."""

from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from scipy import special

from metastasis.base.records import Record
from metastasis.patches.symmetries import TestTime

# The meaning of a temperature at a bound.
AT_BOUND = {
    "lower": "the network separates validation's classes (nearly) perfectly, so that its "
    "confidence can't be measured",
    "upper": "on validation the network ranks no better than chance, so that every probability "
    "is near 0.5",
}


class Decision(Record, frozen=True):
    """models/decision.json: how patches are scored, and the threshold of a positive call."""

    tta: TestTime
    temperature: pydantic.PositiveFloat
    threshold: pydantic.FiniteFloat  # the lowest probability that is called positive
    # Set if the best temperature lies beyond a bound: then the temperature is not a measurement.
    temperature_bound: Literal["lower", "upper"] | None = None
    # The final model divides by the temperature, and the threshold applies to its probabilities.
    model_is_calibrated: Literal[True] = True

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of tumour, (n,), for logits (n,)."""
        return np.asarray(special.expit(logits.astype(np.float64) / self.temperature))

    def warning(self) -> str | None:
        """Return the meaning of a temperature at a bound, as a sentence; otherwise None."""
        if self.temperature_bound is None:
            return None
        return (
            f"the temperature is at its {self.temperature_bound} bound, {self.temperature:g}: "
            f"{AT_BOUND[self.temperature_bound]}. The probabilities are not calibrated; "
            "choose another split, or train longer."
        )
