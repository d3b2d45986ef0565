"""Section `crop` of params.yaml: the part of a patch that the network sees."""

from typing import Annotated

from pydantic import AfterValidator, Field

from metastasis.base.params import Section


def _is_even(size: int) -> int:
    if size % 2:
        raise ValueError("should be even, so that the crop has the same centre as the patch")
    return size


class CropParams(Section):
    """The side of the crop in pixels: at least the centre, which decides the label."""

    size: Annotated[int, Field(ge=32, le=96), AfterValidator(_is_even)]
