"""Section `evaluate` of params.yaml: how patches are scored, and how the threshold is chosen."""

from typing import Annotated

from pydantic import Field

from metastasis.base.params import Section
from metastasis.patches.symmetries import TestTime


class EvaluateParams(Section):
    """How patches are scored, and the threshold chosen on validation."""

    sensitivity: Annotated[float, Field(gt=0, le=1)] | None
    tta: TestTime
