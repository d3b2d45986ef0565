"""Defines the metrics that `probe` writes about the linear probe of a frozen network."""

from metastasis.base.records import Record
from metastasis.tables import Unit


class FewShot(Record, frozen=True):
    """Mean and standard deviation over probes that were each trained on k patches of a class."""

    k: int
    roc_auc_mean: float
    roc_auc_std: float
    balanced_accuracy_mean: float
    balanced_accuracy_std: float


class ProbedPart(Record, frozen=True):
    """The metrics of a part; None: not defined. A patch is called tumour from probability 0.5."""

    roc_auc: float | None
    roc_auc_low: float | None
    roc_auc_high: float | None
    balanced_accuracy: float | None
    few_shot: FewShot | None = None


class ProbeMetrics(Record, frozen=True):
    """metrics/probe/NAME.json; C is the inverse of the penalty, chosen on train."""

    test: ProbedPart | None = None
    validation: ProbedPart
    C: float
    num_features: int
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit
    is_drawn: bool
