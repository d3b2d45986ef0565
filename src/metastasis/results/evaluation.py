"""Defines the metrics that `evaluate` writes for validation and test, each with its interval.

`evaluate.measuring` computes them.
"""

import math
from collections.abc import Mapping
from typing import Generic, Self, TypeVar

from pydantic import Field

from metastasis import tables
from metastasis.base.records import Record
from metastasis.results import numbers
from metastasis.scores import intervals

Value = TypeVar("Value")


class Measured(Record, Generic[Value], frozen=True):
    """A value for each metric, in the order of reports, which show its title and description."""

    roc_auc: Value = Field(
        title="ROC AUC", description="a patch with tumour ranks above one without"
    )
    region_roc_auc: Value = Field(
        title="ROC AUC, each region once",
        description="the same, where patches that overlap count together as one",
    )
    average_precision: Value = Field(
        title="average precision", description="area under the precision-recall curve"
    )
    accuracy: Value = Field(
        title="accuracy", description="share of calls that agree with the label"
    )
    balanced_accuracy: Value = Field(
        title="balanced accuracy", description="mean of sensitivity and specificity"
    )
    sensitivity: Value = Field(
        title="sensitivity", description="share of the patches with tumour that are called tumour"
    )
    specificity: Value = Field(
        title="specificity",
        description="share of the patches without tumour that are not called tumour",
    )
    precision: Value = Field(
        title="precision", description="share of the calls of tumour that are correct"
    )
    f1: Value = Field(title="F1", description="harmonic mean of precision and sensitivity")
    sensitivity_at_95_specificity: Value = Field(
        title="sensitivity at 95 % specificity", description="at its own threshold"
    )
    specificity_at_95_sensitivity: Value = Field(
        title="specificity at 95 % sensitivity", description="at its own threshold"
    )
    nll: Value = Field(
        title="log loss", description="mean negative log-likelihood; lower is better"
    )
    brier: Value = Field(
        title="Brier score", description="mean squared error of the probability; lower is better"
    )
    calibration_error: Value = Field(
        title="calibration error", description="probability against frequency; lower is better"
    )


def _described(metrics: type[Record]) -> dict[str, tuple[str, str]]:
    """Return the name and the meaning of each metric."""
    fields = metrics.model_fields.items()
    return {key: (str(field.title), str(field.description)) for key, field in fields}


METRICS = _described(Measured)


class Abstained(Record, Generic[Value], frozen=True):
    """A value for each metric of the sets, in the order of reports."""

    tumour_coverage: Value = Field(
        title="coverage of tumour",
        description="share of the patches with tumour whose set holds it, mean over {units}",
    )
    no_tumour_coverage: Value = Field(
        title="coverage of no tumour", description="the same for its patches without tumour"
    )
    left_share: Value = Field(
        title="left to a pathologist", description="share of the patches whose set holds both"
    )
    decided_accuracy: Value = Field(
        title="accuracy of the others", description="share of correct calls among the others"
    )


ABSTAINED = _described(Abstained)


def defined(number: float) -> float | None:
    """Return the number, or None if it isn't defined: JSON knows no NaN."""
    return None if math.isnan(number) else number


class Interval(Record, frozen=True):
    """The ends of a 95 % interval; None if there is no interval."""

    low: float | None
    high: float | None

    @classmethod
    def of_each(cls, ends: Mapping[str, tuple[float, float]]) -> dict[str, Self]:
        """Return the interval of each metric whose ends are given; NaN: there is none."""
        return {
            name: cls(low=defined(low), high=defined(high)) for name, (low, high) in ends.items()
        }

    def shown(self, num_patches: int) -> str:
        """Return both ends with the digits that the sample supports, or an empty text."""
        return numbers.interval(self.low, self.high, num_patches)


class Intervals(Measured[Interval], frozen=True):
    """The interval of each metric, and the unit that the jackknife leaves out."""

    over: intervals.Unit


class Abstention(Abstained[float | None], frozen=True):
    """The metrics of the sets of a part; None if one isn't defined."""

    interval: Abstained[Interval]


class Uncalibrated(Record, frozen=True):
    """The metrics that the temperature changes, before calibration."""

    nll: float
    brier: float
    calibration_error: float


class Part(Measured[float | None], frozen=True):
    """The metrics of a part; None if one isn't defined, or if most slides or patients are unknown.

    `num_unknown` patches have no known unit of those that the intervals are over.
    """

    num_patches: int
    num_slides: int | None
    num_patients: int | None
    num_regions: int | None
    num_unknown: int = 0
    interval: Intervals
    uncalibrated: Uncalibrated
    abstention: Abstention | None = None  # set if a coverage is promised

    @property
    def num_units(self) -> int:
        """The number of patients, slides, regions or patches that the intervals are over."""
        units = {
            "patients": self.num_patients,
            "slides": self.num_slides,
            "regions": self.num_regions,
        }
        return units.get(self.interval.over) or self.num_patches

    @property
    def counted(self) -> str:
        """Their number with the unit: 19 slides."""
        unit = self.interval.over
        return numbers.count(self.num_units, intervals.SINGULAR[unit], unit)

    @property
    def area(self) -> str:
        """The AUC with the digits that the sample supports."""
        return numbers.rate(self.roc_auc, self.num_patches)

    @property
    def area_interval(self) -> str:
        """The ends of the AUC's interval as text, or an empty text."""
        return self.interval.roc_auc.shown(self.num_patches)


class MemberAreas(Record, frozen=True):
    """The AUCs of one member of an ensemble; None if one isn't defined."""

    seed: int
    fold: int
    test: float | None
    validation: float | None  # on the patches that validated this member


class Evaluation(Record, frozen=True):
    """reports/evaluation.json: all metrics, and the decision."""

    test: Part | None = None
    validation: Part
    threshold: float
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: tables.Unit
    is_drawn: bool
    temperature: float
    members: tuple[MemberAreas, ...] = ()  # set if there are several

    @property
    def parts(self) -> dict[str, Part]:
        """The available parts, test first."""
        found = {"test": self.test, "validation": self.validation}
        return {name: part for name, part in found.items() if part is not None}

    @property
    def reported(self) -> tuple[str, Part]:
        """The name and metrics of the part whose numbers are reported."""
        name = tables.reported(self.parts)
        return name, self.parts[name]

    def warnings(self) -> list[str]:
        """Return the reasons why the numbers are less certain than they look, as sentences."""
        name, part = self.reported
        found = []
        if not self.slide_disjoint:
            found.append(
                "Slides are unknown or shared between the parts: these numbers are optimistic. "
                "A network may recognise a slide by its stain, and does worse on unseen slides."
            )
        elif self.patient_disjoint is False:
            found.append(
                "Patients are shared between the parts: these numbers are optimistic. "
                "A network does worse on unseen patients."
            )
        if part.num_unknown and part.interval.over in intervals.INDEPENDENT:
            unit = intervals.SINGULAR[part.interval.over]
            found.append(
                f"The {unit} of {part.num_unknown:,} of the {part.num_patches:,} {name} patches is "
                f"unknown: intervals count them as drawn at random from other {unit}s. The more "
                "there are, the more the intervals are too narrow."
            )
        if part.interval.over != "patches" and part.num_units < intervals.FEW_SLIDES:
            found.append(
                f"{name.capitalize()} has {part.counted}; "
                f"below {intervals.FEW_SLIDES} the intervals are rough."
            )
        if name != "test":
            found.append(
                "There is no test part: the epoch and the threshold were chosen on these patches."
            )
        return found


class Compared(Record, frozen=True):
    """Those metrics of a part that a reviewer compares."""

    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None
    accuracy: float | None
    sensitivity: float | None
    specificity: float | None
    average_precision: float | None
    calibration_error: float | None
    # Set if a coverage is promised: the default has few columns.
    tumour_coverage: float | None = None
    no_tumour_coverage: float | None = None
    left_share: float | None = None
    decided_accuracy: float | None = None


class Spread(Record, frozen=True):
    """The mean and the standard deviation of the members' AUCs."""

    roc_auc_mean: float
    roc_auc_std: float


class MembersCompared(Record, frozen=True):
    """The members beside their ensemble; without a part, its AUC isn't defined for two of them."""

    number: int
    test: Spread | None = None
    validation: Spread | None = None


class EvaluationMetrics(Record, frozen=True):
    """metrics/evaluate.json: the few metrics that are compared between experiments."""

    test: Compared | None = None
    validation: Compared
    threshold: float
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: tables.Unit
    is_drawn: bool
    members: MembersCompared | None = None  # set if there are several: one has no column
