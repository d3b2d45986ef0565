"""Section `train` of params.yaml: the network, its optimiser and its augmentation."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from metastasis.base.params import NO_WEIGHTS, LiteralPath, Section
from metastasis.members import MemberParams

Optimizer = Literal["muon", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]
Geometry = Literal["none", "d4", "rotation", "affine"]
Network = Literal[
    "compact",
    "p4m",
    "baseline",
    "densenet121",
    "densenet121-x2",
    "efficientnetv2b0",
    "efficientnet-lite0",
]
Feeding = Literal["host", "device"]
Precision = Literal["auto", "float32", "bfloat16"]

# The networks that start from published weights, with the network that these are published for.
PRETRAINED = {
    "densenet121": "densenet121",
    "densenet121-x2": "densenet121",
    "efficientnetv2b0": "efficientnetv2b0",
    "efficientnet-lite0": "efficientnet-lite0",
}

# The crops that each network accepts; `models` says why.
SIZES = (
    dict.fromkeys(("compact", "p4m"), (32, 48, 64, 80, 96))
    | dict.fromkeys(PRETRAINED, (32, 96))
    | {"densenet121-x2": (32, 64, 96)}
)


class Recipe(Section):
    """The network, its optimiser and its augmentation: the same for all members."""

    model: Network
    weights: LiteralPath
    body_rate: Annotated[float, Field(ge=0, le=1)]
    epochs: PositiveInt
    patience: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]
    workers: PositiveInt
    feed: Feeding
    optimizer: Optimizer
    learning_rate: PositiveFloat
    schedule: Schedule
    warmup_epochs: NonNegativeInt
    weight_decay: NonNegativeFloat
    average_decay: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    class_weights: Literal["none", "balanced"]
    geometry: Geometry
    stain_jitter: Annotated[float, Field(ge=0, le=0.5)]
    focus_jitter: Annotated[float, Field(ge=0, le=3)]
    precision: Precision

    @property
    def starts_from(self) -> Path | None:
        """The file whose weights the network starts from; None: it starts from random ones."""
        path = Path(self.weights)
        return None if path.absolute() == Path(NO_WEIGHTS).absolute() else path


class TrainParams(Recipe, MemberParams):
    """The whole section: the recipe, and the members that are trained by it."""
