"""What `evaluate` measures of validation and test: every number with its interval.

How a number is defined, `evaluate.measuring` says.
"""

from typing import Generic, TypeVar

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
    average_precision: Value = Field(
        title="average precision", description="area under precision over recall"
    )
    accuracy: Value = Field(title="accuracy", description="calls that agree with the label")
    balanced_accuracy: Value = Field(
        title="balanced accuracy", description="mean of sensitivity and specificity"
    )
    sensitivity: Value = Field(
        title="sensitivity", description="of the patches with tumour, those called so"
    )
    specificity: Value = Field(
        title="specificity", description="of the patches without, those left alone"
    )
    precision: Value = Field(
        title="precision", description="of the calls of tumour, those that are right"
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


# Name and meaning of each metric.
METRICS = {
    key: (str(field.title), str(field.description)) for key, field in Measured.model_fields.items()
}


class Interval(Record, frozen=True):
    """The ends of a 95 % interval; None where there is none."""

    low: float | None
    high: float | None

    def shown(self, num_patches: int) -> str:
        """Return both ends with the digits that the patches support, or nothing."""
        return numbers.interval(self.low, self.high, num_patches)


class Intervals(Measured[Interval], frozen=True):
    """The interval of each metric, and the unit that was left out at a time."""

    over: intervals.Unit


class Uncalibrated(Record, frozen=True):
    """What the temperature changes, as the network gave it."""

    nll: float
    brier: float
    calibration_error: float


class Part(Measured[float | None], frozen=True):
    """The metrics of a part; None where one isn't defined, or a slide or patient is unknown."""

    num_patches: int
    num_slides: int | None
    num_patients: int | None
    interval: Intervals
    uncalibrated: Uncalibrated

    @property
    def num_units(self) -> int:
        """How many patients, slides or patches the intervals are over."""
        units = {"patients": self.num_patients, "slides": self.num_slides}
        return units.get(self.interval.over) or self.num_patches

    @property
    def counted(self) -> str:
        """Those units in words: 19 slides."""
        unit = self.interval.over
        return numbers.count(self.num_units, unit.removesuffix("s"), unit)

    @property
    def area(self) -> str:
        """The AUC with the digits that the patches support."""
        return numbers.rate(self.roc_auc, self.num_patches)

    @property
    def area_interval(self) -> str:
        """The ends of the AUC's interval in words, or nothing."""
        return self.interval.roc_auc.shown(self.num_patches)


class Evaluation(Record, frozen=True):
    """reports/evaluation.json: all that was measured, and what was decided."""

    test: Part | None = None
    validation: Part
    threshold: float
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: tables.Unit
    is_drawn: bool
    temperature: float

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that there are, test first."""
        found = {"test": self.test, "validation": self.validation}
        return {name: part for name, part in found.items() if part is not None}

    @property
    def reported(self) -> tuple[str, Part]:
        """The part whose numbers count, by its name."""
        name = tables.reported(self.parts)
        return name, self.parts[name]

    def warnings(self) -> list[str]:
        """Return what makes the numbers less sure than they look, as sentences."""
        name, part = self.reported
        found = []
        if not self.slide_disjoint:
            found.append(
                "Slides are unknown or shared between the parts: these numbers are optimistic. "
                "A network may know a slide by its stain, and does worse on slides it never saw."
            )
        elif self.patient_disjoint is False:
            found.append(
                "Patients are shared between the parts: these numbers are optimistic. "
                "A network does worse on patients it never saw."
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
    """The metrics of a part that a reviewer compares."""

    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None
    accuracy: float | None
    sensitivity: float | None
    specificity: float | None
    average_precision: float | None
    calibration_error: float | None


class EvaluationMetrics(Record, frozen=True):
    """metrics/evaluate.json: the few numbers that are compared from one experiment to another."""

    test: Compared | None = None
    validation: Compared
    threshold: float
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: tables.Unit
    is_drawn: bool
