"""Defines the files of `explain`: how much a network looks at the centre of patches."""

from metastasis.base.records import Record
from metastasis.results import numbers


class Attention(Record, frozen=True):
    """reports/attention.json: means over patches called tumour; None if no patch shows attention.

    Shares are of the attention inside the central 32x32; agreement is between Grad-CAM and
    occlusion; untrained networks are the same network with random weights.
    """

    centre_area: float  # share of the patch, and of uniform attention
    num_patches: int
    occlusion_in_centre: float | None
    grad_cam_in_centre: float | None
    agreement: float | None
    grad_cam_in_centre_untrained: float | None
    agreement_untrained: float | None

    def shown(self, name: str) -> str:
        """Return a field as a percentage, with the digits that the patches support."""
        return numbers.percent(getattr(self, name), self.num_patches)


class Explanation(Attention, frozen=True):
    """The attention, and the number of labels that may be wrong: the rows of the table."""

    num_suspicious: int


class ExplanationMetrics(Record, frozen=True):
    """metrics/explain.json: the numbers that a reviewer compares."""

    occlusion_in_centre: float | None
    grad_cam_in_centre: float | None
    num_suspicious: int
