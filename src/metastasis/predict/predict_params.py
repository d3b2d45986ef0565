"""Section `predict` of params.yaml: what the submission holds."""

from typing import Literal

from metastasis.base.params import Section


class PredictParams(Section):
    """What the submission's label column holds, also for patches that can't be scored."""

    round: bool
    bad_patches: Literal["share", "fail"]
