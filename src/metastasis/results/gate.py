"""Defines the metrics that `validate` writes about a source."""

from metastasis.base.records import Record


class GateMetrics(Record, frozen=True):
    """metrics/validate.json; if the run stops, only `is_drawn` and the numbers of broken rules.

    Shares are of the patches that pass; `positive_share` is None if no patch passes.
    """

    num_patches: int = 0
    num_left_out: int = 0
    num_bad_unlabelled: int = 0
    num_patients: int = 0
    num_slides: int = 0
    num_without_slide: int = 0
    positive_share: float | None = None
    num_errors: int
    num_warnings: int
    is_drawn: bool
