"""Defines the metrics that `predict` writes about the patches that it scored."""

from metastasis.base.records import Record
from metastasis.tables import Unit


class PredictionMetrics(Record, frozen=True):
    """metrics/predict.json; `mean_probability` is None if there was nothing to predict."""

    num_predicted: int
    num_bad: int
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit
    mean_probability: float | None
    is_drawn: bool
