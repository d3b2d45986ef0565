"""Defines what `predict` tells of the patches that it scored: metrics, and their shift."""

from typing import Annotated, Literal

import pydantic

from metastasis.base.records import Record
from metastasis.results import numbers
from metastasis.scores import intervals
from metastasis.tables import Unit

# What a patch with less, or with more, of each measure is.
MEASURES = {
    "haematoxylin": ("with less haematoxylin", "with more haematoxylin"),
    "eosin": ("with less eosin", "with more eosin"),
    "brightness": ("darker", "brighter"),
    "contrast": ("with less contrast", "with more contrast"),
    "sharpness": ("blurrier", "sharper"),
    "probability": ("with lower probabilities", "with higher probabilities"),
}
# The superiority of normal variables whose means differ by 0.2, 0.5 and 0.8 standard deviations:
# Cohen (1988), Statistical Power Analysis for the Behavioral Sciences.
SIZES = {"large": 0.714, "medium": 0.638, "small": 0.556}

Share = Annotated[float, pydantic.Field(ge=0, le=1)]
Measure = Literal[
    "haematoxylin", "eosin", "brightness", "contrast", "sharpness", "probability"
]  # fmt: skip


class PredictionMetrics(Record, frozen=True):
    """metrics/predict.json; None where there was nothing to predict or to compare."""

    num_predicted: int
    num_bad: int
    num_copies: int  # patches that are copies of labelled ones
    largest_shift: Share | None  # superiority of the side that has more, 0.5 to 1
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit
    mean_probability: float | None
    is_drawn: bool


class Shift(Record, frozen=True):
    """How the unlabelled patches differ from validation in one measure.

    `superiority` is the probability that an unlabelled patch has more of it than a patch of
    validation: 0.5 if the two don't differ. It is the common-language effect size (McGraw & Wong
    1992), the AUC of telling the two apart. Its interval, if defined, is over groups of patches.
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
        """The size of the shift in a word; "none" if chance may explain it."""
        is_chance = self.low is not None and self.high is not None and self.low <= 0.5 <= self.high  # noqa: PLR2004  # no shift
        found = (name for name, least in SIZES.items() if self.strength >= least)
        return "none" if is_chance else next(found, "none")

    @property
    def direction(self) -> str:
        """What the unlabelled patches are, compared with validation."""
        return MEASURES[self.measure][self.superiority > 0.5]  # noqa: PLR2004  # no shift


class Unlabelled(Record, frozen=True):
    """reports/unlabelled.json: how the scored unlabelled patches compare with labelled ones."""

    num_patches: int
    num_copies: int  # of these, copies of labelled patches
    num_validation: int
    over: intervals.Unit  # unit of the unlabelled patches in the intervals
    validation_over: intervals.Unit  # that of validation
    shifts: tuple[Shift, ...]  # empty if either side has no patch

    @property
    def largest(self) -> float | None:
        """The strength of the largest shift; None if nothing was compared."""
        return max((shift.strength for shift in self.shifts), default=None)

    def shift_sentence(self) -> str | None:
        """Return what differs from validation, as a sentence; None if nothing was compared."""
        if not self.shifts:
            return None
        found = [
            f"{shift.direction} ({shift.size}, {self.shown(shift)})"
            for shift in sorted(self.shifts, key=lambda shift: -shift.strength)
            if shift.size != "none"
        ]
        if not found:
            return "Compared with validation, the unlabelled patches show no shift."
        return (
            f"Compared with validation, the unlabelled patches are {', '.join(found)}. The numbers "
            "measured on validation and test may not hold for them."
        )

    def shown(self, shift: Shift) -> str:
        """Return the superiority of a shift, with the digits that the patches support."""
        return numbers.rate(shift.superiority, min(self.num_patches, self.num_validation))

    def interval(self, shift: Shift) -> str:
        """Return the interval of a shift's superiority; an empty text without one."""
        num = min(self.num_patches, self.num_validation)
        return numbers.interval(shift.low, shift.high, num)

    def copies_sentence(self) -> str | None:
        """Return how many patches are copies of labelled ones, as a sentence; None if none is."""
        if not self.num_copies:
            return None
        return (
            f"{self.num_copies:,} of the {self.num_patches:,} unlabelled patches are copies of "
            "labelled ones. A score on these says nothing about new patches."
        )
