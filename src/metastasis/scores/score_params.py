"""Key of section `evaluate` of params.yaml: how to score patches."""

from metastasis.base.params import Section
from metastasis.patches.symmetries import TestTime


class ScoreParams(Section):
    """How to score patches."""

    tta: TestTime
