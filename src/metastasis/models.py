"""The networks: each a function that builds one, and a line in `BUILDERS`.

A network takes RGB patches of 0..255, shape (n, size, size, 3), and gives float32 probabilities of
shape (n, 1) by a layer "probability" over a layer "logit". How it is trained, `training` knows.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from metastasis.errors import InputError
from metastasis.shards import CENTRE_SIZE

# Of the moving statistics: Keras's .99 lags epochs behind where an epoch has few steps.
MOMENTUM = 0.9

BatchNorm = Callable[..., layers.Layer]
Tensor = Any  # keras.KerasTensor; Keras ships no types


def build(name: str, size: int, batch_norm: BatchNorm = layers.BatchNormalization) -> keras.Model:
    """Return the network `name` for patches of `size` pixels, with fresh weights.

    Raises:
        InputError: the network can't take patches of this size.
    """
    inputs = keras.Input((size, size, 3), name="patch")
    features = BUILDERS[name](layers.Rescaling(1 / 255, name="rescale")(inputs), batch_norm)
    logit = layers.Dense(1, dtype="float32", name="logit")(features)
    outputs = layers.Activation("sigmoid", dtype="float32", name="probability")(logit)
    return keras.Model(inputs, outputs, name=name)


def to_logits(model: keras.Model) -> keras.Model:
    """Return the network that shares `model`'s weights and ends in its logits."""
    return keras.Model(model.input, model.get_layer("probability").input)


def _baseline(tensor: Tensor, batch_norm: BatchNorm) -> Tensor:
    """Network A of the first notebook: 5,112,001 parameters at 96 pixels."""
    for block, (filters, dropout) in enumerate(((32, 0), (64, 0.2), (128, 0.3), (256, 0.3)), 1):
        tensor = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{block}")(
            tensor
        )
        tensor = batch_norm(name=f"norm{block}")(tensor)
        tensor = layers.MaxPooling2D(name=f"pool{block}")(tensor)
        if dropout:
            tensor = layers.Dropout(dropout, name=f"dropout{block}")(tensor)
    tensor = layers.Flatten(name="flatten")(tensor)
    tensor = layers.Dense(512, activation="relu", name="dense")(tensor)
    tensor = layers.BatchNormalization(name="norm5")(tensor)
    return layers.Dropout(0.5, name="dropout5")(tensor)


def _compact(tensor: Tensor, batch_norm: BatchNorm) -> Tensor:
    """A residual network (He et al. 2016) that looks at the centre and at the whole patch.

    Each stage halves the side: convolution, pooling, normalisation, ReLU in this order, since
    pooling first leaves a quarter of the rest to do. The label is about the central 32x32, so the
    features of the centre are pooled by themselves beside those of the whole.
    """
    size = tensor.shape[1]
    if size % 32:
        raise InputError(
            f"train.model: compact needs crop.size 32, 64 or 96, so that the centre falls on whole "
            f"cells of its features; found {size}."
        )
    for stage, (filters, num_blocks) in enumerate(((32, 0), (48, 1), (96, 1), (192, 0)), 1):
        tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{stage}")(
            tensor
        )
        tensor = layers.MaxPooling2D(name=f"pool{stage}")(tensor)
        tensor = batch_norm(momentum=MOMENTUM, name=f"norm{stage}")(tensor)
        tensor = layers.ReLU(name=f"relu{stage}")(tensor)
        for block in range(1, num_blocks + 1):
            tensor = _residual(tensor, batch_norm, f"block{stage}{block}")
    side = tensor.shape[1]
    margin = (side - CENTRE_SIZE * side // size) // 2
    centre = layers.Cropping2D(margin, name="centre")(tensor)
    pooled = layers.Concatenate(name="features")(
        [
            layers.GlobalAveragePooling2D(name="mean")(tensor),
            layers.GlobalAveragePooling2D(name="centre_mean")(centre),
            layers.GlobalMaxPooling2D(name="centre_max")(centre),
        ]
    )
    return layers.Dropout(0.3, name="dropout")(pooled)


def _residual(tensor: Tensor, batch_norm: BatchNorm, name: str) -> Tensor:
    filters = tensor.shape[-1]
    branch = tensor
    for half in ("a", "b"):
        branch = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, name=f"{name}{half}_conv"
        )(branch)
        branch = batch_norm(momentum=MOMENTUM, name=f"{name}{half}_norm")(branch)
        if half == "a":
            branch = layers.ReLU(name=f"{name}{half}_relu")(branch)
    tensor = layers.Add(name=f"{name}_add")([tensor, branch])
    return layers.ReLU(name=f"{name}_relu")(tensor)


BUILDERS: dict[str, Callable[[Tensor, BatchNorm], Tensor]] = {
    "baseline": _baseline,
    "compact": _compact,
}
