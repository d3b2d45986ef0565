"""Section `evaluate` of params.yaml, and the resolution, which the final model's card holds."""

from typing import Annotated

from pydantic import Field

from metastasis.base.params import MicrometresPerPixel, Section
from metastasis.scores.score_params import ScoreParams


class EvaluateParams(ScoreParams):
    """How to score patches, and how to choose the threshold on validation."""

    coverage: Annotated[float, Field(gt=0, le=0.999)] | None
    sensitivity: Annotated[float, Field(gt=0, le=1)] | None


class ResolutionParams(Section):
    """The key of section `data` that only the card needs: another value changes no score."""

    um_per_pixel: MicrometresPerPixel
