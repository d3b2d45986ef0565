"""Defines the metrics of `train`; DVCLive writes them with the number of the last epoch."""

from metastasis.base.records import Record
from metastasis.tables import Unit


class Ends(Record, frozen=True):
    """The metrics at the end of the last epoch."""

    auc: float
    loss: float


class TrainingMetrics(Record, frozen=True):
    """metrics/train/SEED-FOLD/metrics.json; epochs are counted from 1."""

    best_auc: float
    best_epoch: int
    train: Ends
    eval: Ends
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit
    step: int = 0  # DVCLive's
