"""Builds the networks; each has a function and an entry in `BUILDERS`.

A network takes RGB patches of 0..255, shape (n, size, size, 3), and gives float32 probabilities of
shape (n, 1) by a layer "probability" after a layer "logit". `training` trains it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from metastasis.base.errors import InputError
from metastasis.patches import shards
from metastasis.patches.symmetries import NUM_ELEMENTS, TestTime
from metastasis.pretrained import architectures

# Of the moving statistics: Keras's .99 lags by epochs if an epoch has few steps.
MOMENTUM = 0.9

# Layers that pool or flatten the last feature map; the first of them in a network does.
PLACES_END = ("mean", "flatten")

Maker = Callable[..., layers.Layer]
Tensor = Any  # keras.KerasTensor; Keras ships no types

_convolution = partial(layers.Conv2D, kernel_size=3, padding="same", use_bias=False)


@dataclass(frozen=True)
class Parts:
    """Functions that make a network's layers: Keras's own layers, or those used in training.

    `first` makes a 3x3 convolution of patches and `conv` one of features, by `filters` and `name`;
    `norm` and `dropout` take the arguments of Keras's `BatchNormalization` and `Dropout`.
    """

    first: Maker = _convolution
    conv: Maker = _convolution
    norm: Maker = layers.BatchNormalization
    dropout: Maker = layers.Dropout


PLAIN = Parts()


def build(name: str, size: int, parts: Parts = PLAIN, policy: str = "float32") -> keras.Model:
    """Return the network `name` for patches of `size` pixels, with initial weights.

    `policy` is Keras's dtype policy of all layers but the last two.

    Raises:
        InputError: the network can't take patches of this size.
    """
    with _dtype_policy(policy):
        if name in architectures.ARCHITECTURES:
            _require_whole_cells(name, size)
            body = architectures.build(
                name, size, partial(parts.norm, momentum=MOMENTUM), parts.dropout
            )
            inputs = body.input
            features = parts.dropout(0.3, name="dropout")(_pooled(body.output, size))
        else:
            inputs = keras.Input((size, size, 3), name="patch")
            features = BUILDERS[name](layers.Rescaling(1 / 255, name="rescale")(inputs), parts)
        logit = layers.Dense(1, dtype="float32", name="logit")(features)
        outputs = layers.Activation("sigmoid", dtype="float32", name="probability")(logit)
        return keras.Model(inputs, outputs, name=name)


@contextmanager
def _dtype_policy(policy: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def to_logits(model: keras.Model) -> keras.Model:
    """Return the network with `model`'s weights whose output is the logits."""
    logits = model.get_layer("probability").input
    return keras.Model(model.input, logits, name=model.name)


def to_plain(network: keras.Model, name: str) -> keras.Model:
    """Return the network `name` of Keras's own layers that computes the same as `network`.

    Layers whose weights differ in form from the plain layer's provide `plain_weights()`.
    """
    plain = build(name, network.input_shape[1])
    for layer in network.layers:
        weights = getattr(layer, "plain_weights", layer.get_weights)()
        plain.get_layer(layer.name).set_weights(weights)
    return plain


def to_final(networks: Sequence[keras.Model], temperature: float, tta: TestTime) -> keras.Model:
    """Return the plain `networks` as one model with the decision built in: it is calibrated.

    Its logit is the mean of theirs. The weights of each logit's layer are divided by `temperature`.
    With `tta` "d4" the mean is also over the eight flips and turns of the patch.
    """
    finals = [_calibrated(network, temperature) for network in networks]
    return finals[0] if len(finals) == 1 and tta == "none" else _averaged(finals, tta)


def _calibrated(network: keras.Model, temperature: float) -> keras.Model:
    final = keras.models.clone_model(network)
    final.set_weights(network.get_weights())
    logit = final.get_layer("logit")
    logit.set_weights([weight / np.float32(temperature) for weight in logit.get_weights()])
    return final


def _averaged(models: Sequence[keras.Model], tta: TestTime) -> keras.Model:
    """Return a model of Keras's own layers whose logit is the mean of those of all `models`.

    With `tta` "d4" it is the mean over all flips and turns too.
    """
    first = models[0]
    inputs = keras.Input(first.input_shape[1:], name="patch")
    turned = [inputs, *_turned(inputs)] if tta == "d4" else [inputs]
    networks = []
    for number, model in enumerate(models, 1):
        ending = model.get_layer("probability").input
        # An explicit name, so that equal models are saved to equal bytes.
        name = f"{model.name}_logits" if len(models) == 1 else f"{model.name}_logits_{number}"
        networks.append(keras.Model(model.input, ending, name=name))
    logits = [network(patch) for network in networks for patch in turned]
    mean = layers.Average(name="logit")(logits)
    outputs = layers.Activation("sigmoid", dtype="float32", name="probability")(mean)
    return keras.Model(inputs, outputs, name=first.name)


def _turned(patch: Tensor) -> list[Tensor]:
    """Return the patch in its seven other orientations.

    A mirror is a product with a matrix of zeros and ones, since no layer mirrors, and since Keras
    saves operations under private names. Alternate mirroring and transposing goes through the whole
    group.
    """
    size = patch.shape[1]
    transpose = layers.Permute((2, 1, 3), name="transpose")
    columns_last = layers.Permute((1, 3, 2), name="columns_last")
    reverse = layers.Dense(size, use_bias=False, trainable=False, name="reverse")
    reverse.build((None, size, 3, size))
    reverse.set_weights([np.eye(size, dtype=np.float32)[::-1]])
    turned = [patch]
    for step in range(1, NUM_ELEMENTS):
        last = turned[-1]
        turned.append(columns_last(reverse(columns_last(last))) if step % 2 else transpose(last))
    return turned[1:]


def _baseline(tensor: Tensor, parts: Parts) -> Tensor:
    """Build network A of the first notebook: 5,112,001 parameters at 96 pixels."""
    for block, (filters, dropout) in enumerate(((32, 0), (64, 0.2), (128, 0.3), (256, 0.3)), 1):
        tensor = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{block}")(
            tensor
        )
        tensor = parts.norm(name=f"norm{block}")(tensor)
        tensor = layers.MaxPooling2D(name=f"pool{block}")(tensor)
        if dropout:
            tensor = parts.dropout(dropout, name=f"dropout{block}")(tensor)
    tensor = layers.Flatten(name="flatten")(tensor)
    tensor = layers.Dense(512, activation="relu", name="dense")(tensor)
    tensor = parts.norm(name="norm5")(tensor)
    return parts.dropout(0.5, name="dropout5")(tensor)


def _compact(tensor: Tensor, parts: Parts) -> Tensor:
    """Build a residual network that pools the centre and the whole patch: 432,609 parameters."""
    tensor = _residual_features(tensor, ((32, 0), (48, 1), (96, 1), (192, 0)), parts)
    return parts.dropout(0.3, name="dropout")(tensor)


def _p4m(tensor: Tensor, parts: Parts) -> Tensor:
    """Build `compact`, each filter learnt once for all flips and turns (Veeling et al. 2018).

    The filter numbers here are those of the plain network: 8 orientations of each learnt filter.
    The features pooled over the orientations don't change when the patch is flipped or turned
    (Cohen and Welling 2016): in training because of the layers from `equivariance`, in the plain
    network because of its weights.
    """
    tensor = _residual_features(tensor, ((32, 0), (64, 1), (128, 1), (256, 0)), parts)
    tensor = layers.Reshape((3, NUM_ELEMENTS, -1), name="orientations")(tensor)  # 3 ways of pooling
    tensor = layers.Concatenate(name="invariants")(
        [
            layers.AveragePooling2D((1, NUM_ELEMENTS), name="orientations_mean")(tensor),
            layers.MaxPooling2D((1, NUM_ELEMENTS), name="orientations_max")(tensor),
        ]
    )
    tensor = layers.Flatten(name="flatten")(tensor)
    return parts.dropout(0.3, name="dropout")(tensor)


def _residual_features(tensor: Tensor, stages: tuple[tuple[int, int], ...], parts: Parts) -> Tensor:
    """Return a residual network's features (He et al. 2016): (n, 3 * filters of the last stage).

    Each of the `stages` (filters, residual blocks) but the last halves the side: convolution,
    pooling, normalisation, ReLU in this order, since pooling early leaves a quarter of the work.
    The label is about the central 32x32, so the centre's features are also pooled separately,
    beside those of the whole patch.
    """
    size = tensor.shape[1]
    if size % 16:
        raise InputError(
            "train.model: compact and p4m need crop.size 32, 48, 64, 80 or 96, so that the centre "
            f"consists of whole cells of their features; found {size}."
        )
    for stage, (filters, num_blocks) in enumerate(stages, 1):
        convolution = parts.first if stage == 1 else parts.conv
        tensor = convolution(filters, name=f"conv{stage}")(tensor)
        if stage < len(stages):
            tensor = layers.MaxPooling2D(name=f"pool{stage}")(tensor)
        tensor = parts.norm(momentum=MOMENTUM, name=f"norm{stage}")(tensor)
        tensor = layers.ReLU(name=f"relu{stage}")(tensor)
        for block in range(1, num_blocks + 1):
            tensor = _residual(tensor, parts, f"block{stage}{block}")
    return _pooled(tensor, size)


def _pooled(tensor: Tensor, size: int) -> Tensor:
    """Return a feature map of patches of `size` pixels pooled in three ways: (n, 3 * channels)."""
    side = tensor.shape[1]
    inside = shards.centre(side, shards.CENTRE_SIZE * side // size)
    centre = layers.Cropping2D(inside.start, name="centre")(tensor)
    return layers.Concatenate(name="features")(
        [
            layers.GlobalAveragePooling2D(name="mean")(tensor),
            layers.GlobalAveragePooling2D(name="centre_mean")(centre),
            layers.GlobalMaxPooling2D(name="centre_max")(centre),
        ]
    )


def _residual(tensor: Tensor, parts: Parts, name: str) -> Tensor:
    filters = tensor.shape[-1]
    branch = tensor
    for half in ("a", "b"):
        branch = parts.conv(filters, name=f"{name}{half}_conv")(branch)
        branch = parts.norm(momentum=MOMENTUM, name=f"{name}{half}_norm")(branch)
        if half == "a":
            branch = layers.ReLU(name=f"{name}{half}_relu")(branch)
    tensor = layers.Add(name=f"{name}_add")([tensor, branch])
    return layers.ReLU(name=f"{name}_relu")(tensor)


def _require_whole_cells(name: str, size: int) -> None:
    """Check that the centre consists of whole cells of a published network's last feature map."""
    scale = architectures.ARCHITECTURES[name].scale
    side, rest = divmod(size * scale, architectures.CELL)
    if rest or (side - shards.CENTRE_SIZE * scale // architectures.CELL) % 2:
        raise InputError(
            "train.model: networks that start from published weights need crop.size 32 or 96 "
            "(with -x2 also 64), so that the centre consists of whole cells of their features; "
            f"found {size}."
        )


BUILDERS: dict[str, Callable[[Tensor, Parts], Tensor]] = {
    "baseline": _baseline,
    "compact": _compact,
    "p4m": _p4m,
}
