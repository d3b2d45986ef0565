"""Section `validate` of params.yaml: the gate's requirements on the source."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from metastasis.base.params import Section, Seed

Share = Annotated[float, Field(ge=0, le=1)]


class ValidateParams(Section):
    """The gate's requirements on the source, and the treatment of patches that don't meet them."""

    ids: Literal["sha1", "any"]
    num_labels: Annotated[int, Field(ge=1)] | None
    min_positive_share: Share
    max_positive_share: Share
    max_missing_share: Share
    max_missing_unlabelled_share: Share
    bad_patches: Literal["fail", "quarantine"]
    outliers: Literal["keep", "quarantine"]
    samples_seed: Seed

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.min_positive_share >= self.max_positive_share:
            raise ValueError("min_positive_share must be below max_positive_share")
        return self
