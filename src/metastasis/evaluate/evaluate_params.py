"""Section `evaluate` of params.yaml: how to score patches and how to choose the threshold."""

from typing import Annotated

from pydantic import Field

from metastasis.scores.score_params import ScoreParams


class EvaluateParams(ScoreParams):
    """How to score patches, and how to choose the threshold on validation."""

    coverage: Annotated[float, Field(gt=0, le=0.999)] | None
    sensitivity: Annotated[float, Field(gt=0, le=1)] | None
