"""Defines what `predict` tells of the patches that it scored: metrics, and their shift."""

from typing import Annotated, Literal

import pydantic

from metastasis.base.records import Record
from metastasis.results import numbers
from metastasis.scores import intervals
from metastasis.tables import Unit

# What is said of patches with less, and with more, of each measure.
MEASURES = {
    "haematoxylin": ("have less haematoxylin", "have more haematoxylin"),
    "eosin": ("have less eosin", "have more eosin"),
    "brightness": ("are darker", "are brighter"),
    "contrast": ("have less contrast", "have more contrast"),
    "sharpness": ("are blurrier", "are sharper"),
    "probability": ("have lower probabilities", "have higher probabilities"),
}
# The superiority of normal variables whose means differ by 0.2, 0.5 and 0.8 standard deviations:
# Cohen (1988), the effect size d.
SIZES = {"large": 0.714, "medium": 0.638, "small": 0.556}
NO_SHIFT = 0.5  # superiority

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Measure = Literal[
    "haematoxylin", "eosin", "brightness", "contrast", "sharpness", "probability"
]  # fmt: skip


class PredictionMetrics(Record, frozen=True):
    """metrics/predict.json; None where there was nothing to predict or to compare."""

    num_predicted: int
    num_bad: int
    num_copies: int  # patches that are copies of labelled ones
    largest_shift: Share | None  # superiority of the side that has more; 0.5: no shift was found
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit
    mean_probability: float | None
    is_drawn: bool


class Shift(Record, frozen=True):
    """How the unlabelled patches differ from validation in one measure.

    `superiority` is the probability that an unlabelled patch has more of it than a patch of
    validation: 0.5 if the two don't differ. It is the common-language effect size (McGraw & Wong
    1992), the AUC of telling the two apart. Its interval is over groups of patches, and None if
    there are too few.
    """

    measure: Measure
    superiority: Share
    low: Share | None
    high: Share | None

    @property
    def strength(self) -> float:
        """The superiority of the side that has more: 0.5 to 1."""
        return max(self.superiority, 1 - self.superiority)

    @property
    def size(self) -> str:
        """The size of the shift: none if it is tiny or chance may explain it, else in a word."""
        if self.low is None or self.high is None:
            return "unknown"
        if self.low <= NO_SHIFT <= self.high:
            return "none"
        return next((name for name, least in SIZES.items() if self.strength >= least), "none")

    @property
    def direction(self) -> str:
        """What is said of the unlabelled patches, compared with validation."""
        return MEASURES[self.measure][self.superiority > NO_SHIFT]


class Unlabelled(Record, frozen=True):
    """reports/unlabelled.json: how the scored unlabelled patches compare with labelled ones."""

    num_patches: int
    num_copies: int  # of these, copies of labelled patches
    num_validation: int
    over: intervals.Unit  # unit of the unlabelled patches in the intervals
    validation_over: intervals.Unit  # that of validation
    shifts: tuple[Shift, ...]  # empty if either side has no patch

    @property
    def found(self) -> list[Shift]:
        """The shifts that are more than tiny or chance, the largest first."""
        real = [shift for shift in self.shifts if shift.size in SIZES]
        return sorted(real, key=lambda shift: -shift.strength)

    @property
    def largest(self) -> float | None:
        """The strength of the largest shift that was found; None if nothing could be compared."""
        if all(shift.size == "unknown" for shift in self.shifts):
            return None
        return max((shift.strength for shift in self.found), default=NO_SHIFT)

    def shift_sentence(self) -> str | None:
        """Return what differs from validation, as a sentence; None if nothing was compared."""
        if not self.shifts:
            return None
        if self.largest is None:
            return (
                "Whether the unlabelled patches differ from validation can't be told: there are "
                f"too few {self.over} or {self.validation_over}."
            )
        if not self.found:
            return "No shift of the unlabelled patches from validation was found."
        listed = [
            f"{shift.direction} ({shift.size}, {self.shown(shift.strength)})"
            for shift in self.found
        ]
        return (
            f"Compared with validation, the unlabelled patches {', '.join(listed)}. The numbers "
            "measured on validation and test may not hold for them."
        )

    def shown(self, superiority: float) -> str:
        """Return a superiority with the digits that the patches support."""
        return numbers.rate(superiority, self._num_compared)

    def interval(self, shift: Shift) -> str:
        """Return the interval of a shift's superiority; an empty text without one."""
        return numbers.interval(shift.low, shift.high, self._num_compared)

    @property
    def _num_compared(self) -> int:
        return min(self.num_patches, self.num_validation)

    def copies_sentence(self) -> str | None:
        """Return how many patches are copies of labelled ones, as a sentence; None if none is."""
        if not self.num_copies:
            return None
        return (
            f"{self.num_copies:,} of the {self.num_patches:,} unlabelled patches are copies of "
            "labelled ones. A score on these says nothing about new patches."
        )
