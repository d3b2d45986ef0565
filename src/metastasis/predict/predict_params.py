"""Section `predict` of params.yaml: what scores, and the values in the submission."""

from typing import Literal

from metastasis.base.params import LiteralPath, Section


class PredictParams(Section):
    """The network, and the submission's values, also for patches that can't be scored.

    `network` is a dependency of the stage, which receives it by its command.
    """

    network: LiteralPath
    round: bool
    bad_patches: Literal["share", "fail"]
