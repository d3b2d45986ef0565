"""Section `crop` of params.yaml: how much of a patch the network sees."""

from typing import Annotated

from pydantic import AfterValidator, Field

from metastasis.base.params import Section


def _is_even(size: int) -> int:
    if size % 2:
        raise ValueError("should be even, so that the crop has the patch's centre")
    return size


class CropParams(Section):
    """The side of what the network sees, in pixels: at least the centre the label is about."""

    size: Annotated[int, Field(ge=32, le=96), AfterValidator(_is_even)]
