"""What `validate` measures of a source."""

from metastasis.base.records import Record


class GateMetrics(Record, frozen=True):
    """metrics/validate.json; where a rule stops the run, only how many are broken, and the source.

    Shares are of the patches that pass; `positive_share` is None where there is none.
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
