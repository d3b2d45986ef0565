"""Defines the decision that `evaluate` makes on validation; it belongs to the final model."""

from typing import Annotated, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from scipy import special

from metastasis.base.records import Record
from metastasis.patches.symmetries import TestTime

# The meaning of a temperature at a bound.
AT_BOUND = {
    "lower": "the network's logits are too small for how well it ranks validation's patches. "
    "Either it separates the classes (nearly) perfectly, so that its confidence can't be "
    "measured, or it is hardly trained",
    "upper": "on validation the network ranks no better than chance, so that every probability "
    "is near 0.5",
}


# What a patch's set of classes holds; both: the patch is left to a pathologist.
NO_TUMOUR, TUMOUR, BOTH = "no tumour", "tumour", "both"

Share = Annotated[float, pydantic.Field(ge=0, le=1)]


def to_probabilities(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the final model's probabilities of tumour for its logits, of any shape.

    They are float64: in float32 the most confident patches would lose their rank.
    """
    return np.asarray(special.expit(logits.astype(np.float64)))


class Sets(Record, frozen=True):
    """The lowest probability of each class with which a patch's set holds it; 0: every set does.

    Both are of the class itself, so that six digits suffice for sure patches of either class.
    """

    coverage: Annotated[float, pydantic.Field(gt=0, lt=1)]  # promised for each class
    tumour_from: Share
    no_tumour_from: Share  # of 1 - the probability of tumour


class Decision(Record, frozen=True):
    """models/decision.json: how patches are scored, and the threshold of a positive call."""

    tta: TestTime
    temperature: pydantic.PositiveFloat
    threshold: pydantic.FiniteFloat  # the lowest probability that is called positive
    # Set if the best temperature lies beyond a bound: then the temperature is not a measurement.
    temperature_bound: Literal["lower", "upper"] | None = None
    # The final model divides by the temperature, and the threshold applies to its probabilities.
    model_is_calibrated: Literal[True] = True
    sets: Sets | None = None  # set if a coverage is promised

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of tumour, (n,), for logits (n,)."""
        return to_probabilities(logits.astype(np.float64) / self.temperature)

    def calls(self, probabilities: NDArray[np.floating]) -> NDArray[np.str_]:
        """Return the class that each patch (n,) is called."""
        return np.where(probabilities >= self.threshold, TUMOUR, NO_TUMOUR)

    def held(self, probabilities: NDArray[np.floating]) -> NDArray[np.str_] | None:
        """Return what the set of each patch (n,) holds; None if no coverage is promised.

        The call is always in the set. So no set is empty, none contradicts its call, and a class
        is covered no less than by its own threshold.
        """
        if self.sets is None:
            return None
        is_called = probabilities >= self.threshold
        has_tumour = is_called | (probabilities >= self.sets.tumour_from)
        has_none = ~is_called | (1 - probabilities >= self.sets.no_tumour_from)
        return np.where(has_tumour & has_none, BOTH, np.where(has_tumour, TUMOUR, NO_TUMOUR))

    def warning(self) -> str | None:
        """Return the meaning of a temperature at a bound, as a sentence; otherwise None."""
        if self.temperature_bound is None:
            return None
        return (
            f"the temperature is at its {self.temperature_bound} bound, {self.temperature:g}: "
            f"{AT_BOUND[self.temperature_bound]}. The probabilities are not calibrated; "
            "choose another split, or train longer."
        )
