"""Section `split` of params.yaml: the sizes of the parts, and the groups that are kept whole."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from metastasis.base.params import Section, Seed

Share = Annotated[float, Field(gt=0, lt=1)]


class SplitParams(Section):
    """The shares of validation and test (the rest is for training), and the groups kept whole."""

    seed: Seed
    validation: Share
    test: Share
    groups: Literal["slide", "stain", "patch"]
    official: bool
    folds: Annotated[int, Field(ge=2)] | None

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave a share for training")
        return self

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if self.official and self.folds is not None:
            raise ValueError("folds must be null while official is true; official splits have none")
        return self
