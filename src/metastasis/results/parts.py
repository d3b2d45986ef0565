"""Defines the metrics that `split` writes about its parts and about leaks between them."""

from metastasis.base.records import Record
from metastasis.tables import Unit


class Leaks(Record, frozen=True):
    """The numbers of patients, slides and pairs in more than one part; None: unknown."""

    num_patients: int | None = None
    num_slides: int | None = None
    num_exact_copies: int
    num_near_copies: int
    num_overlaps: int
    num_patches_on_train: int  # of validation and test, that overlap a training patch

    @property
    def is_any(self) -> bool:
        """Whether anything is in more than one part."""
        return any(self.model_dump().values())


class PartSize(Record, frozen=True):
    """The size and the class balance of a part."""

    num_patches: int
    num_slides: int
    positive_share: float


class SplitMetrics(Record, frozen=True):
    """metrics/split.json; copies are pairs, and official splits may lack a part."""

    groups: str
    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit
    leaks: Leaks
    num_exact_copies: int
    num_near_copies: int
    num_overlaps: int
    num_regions: int  # of several patches that overlaps and copies connect
    largest_region: int  # patches
    num_flat: int
    test: PartSize | None = None
    validation: PartSize | None = None
    train: PartSize | None = None
