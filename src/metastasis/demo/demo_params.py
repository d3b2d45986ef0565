"""Section `demo` of params.yaml: the size of the drawn source."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from metastasis.base.params import Section, Seed

AtLeastThree = Annotated[int, Field(ge=3)]  # one slide without tumour and two with tumour


class DemoParams(Section):
    """Section `demo` of params.yaml."""

    seed: Seed
    num_slides: AtLeastThree
    num_patches: AtLeastThree
    num_test_slides: AtLeastThree
    num_test_patches: AtLeastThree

    @model_validator(mode="after")
    def _every_slide_has_a_patch(self) -> Self:
        for slides, patches in (
            ("num_slides", "num_patches"),
            ("num_test_slides", "num_test_patches"),
        ):
            num_slides, num_patches = getattr(self, slides), getattr(self, patches)
            if num_patches < num_slides:
                raise ValueError(
                    f"{patches} = {num_patches} gives {slides} = {num_slides} slides less than "
                    f"one patch each: raise {patches} or lower {slides}"
                )
        return self
