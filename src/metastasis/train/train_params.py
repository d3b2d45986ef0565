"""Section `train` of params.yaml: the network, its optimiser and its augmentation."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from metastasis.base.params import Section, Seed

Optimizer = Literal["muon", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]
Geometry = Literal["none", "d4", "affine"]
Network = Literal["baseline", "compact", "p4m"]
RESIDUAL = ("compact", "p4m")
RESIDUAL_SIZES = (32, 48, 64, 80, 96)  # crops that residual networks accept; `models` says why
Precision = Literal["auto", "float32", "bfloat16"]


class TrainParams(Section):
    """The network, its optimiser and its augmentation."""

    seed: Seed
    model: Network
    epochs: PositiveInt
    patience: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]
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
