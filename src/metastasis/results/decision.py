"""What `evaluate` decides on validation, which belongs to the final model."""

from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from scipy import special

from metastasis.base.records import Record
from metastasis.patches.symmetries import TestTime

# What a temperature at a bound means.
AT_BOUND = {
    "lower": "the network separates validation's classes (nearly) perfectly, so that no patch "
    "shows how sure it may be",
    "upper": "on validation the network ranks no better than chance, and every probability "
    "comes near 0.5",
}


class Decision(Record, frozen=True):
    """models/decision.json: how patches are scored, and from which probability on one is called."""

    tta: TestTime
    temperature: pydantic.PositiveFloat
    threshold: pydantic.FiniteFloat  # the probability from which on a patch is called positive
    # Where the likeliest temperature lies beyond a bound: then the one given is no finding.
    temperature_bound: Literal["lower", "upper"] | None = None
    # The final model divides by the temperature itself, and the threshold is of its probabilities.
    model_is_calibrated: Literal[True] = True

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of tumour, (n,), of logits (n,)."""
        return np.asarray(special.expit(logits.astype(np.float64) / self.temperature))

    def warning(self) -> str | None:
        """Return what a temperature at its bound means, as a sentence; None of any other."""
        if self.temperature_bound is None:
            return None
        return (
            f"the temperature is at its {self.temperature_bound} bound, {self.temperature:g}: "
            f"{AT_BOUND[self.temperature_bound]}. The probabilities aren't calibrated by it; "
            "choose another split, or train longer."
        )
