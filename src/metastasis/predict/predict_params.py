"""Section `predict` of params.yaml: the values in the submission."""

from typing import Literal

from metastasis.base.params import Section


class PredictParams(Section):
    """The values of the submission's label column, also for patches that can't be scored."""

    round: bool
    bad_patches: Literal["share", "fail"]
