"""Builds the layers of published networks, up to their last feature map, for small patches.

A layer has the name and the weights' shapes of the published network, so that `weights` can fill
it. `models` adds the head.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from keras import layers

Maker = Callable[..., layers.Layer]
Tensor = Any  # keras.KerasTensor; Keras ships no types

CELL = 32  # pixels of an enlarged patch to a side of a cell of every last feature map
PREPROCESSING = ("patch", "rescale", "standardise", "enlarge")  # layers before a network's own


def build(name: str, size: int, norm: Maker, dropout: Maker = layers.Dropout) -> keras.Model:
    """Return the network `name` from RGB patches of 0..255 to its last feature map.

    `norm` and `dropout` make the layers that depend on the batch; they take the arguments of
    `keras.layers.BatchNormalization` and `keras.layers.Dropout`.
    """
    architecture = ARCHITECTURES[name]
    inputs = keras.Input((size, size, 3), name="patch")
    tensor = layers.Rescaling(1 / 255, name="rescale")(inputs)
    variance = [deviation**2 for deviation in architecture.deviation]
    tensor = layers.Normalization(mean=architecture.mean, variance=variance, name="standardise")(
        tensor
    )
    if architecture.scale > 1:
        tensor = layers.UpSampling2D(architecture.scale, interpolation="bilinear", name="enlarge")(
            tensor
        )
    return _rebuilt(keras.Model(inputs, architecture.body(tensor), name=name), norm, dropout)


def _rebuilt(body: keras.Model, norm: Maker, dropout: Maker) -> keras.Model:
    """Return `body` with layers of `norm` and `dropout`, and the same names in each process.

    Keras numbers unnamed layers by process. None of these has weights; they get the number of their
    position.
    """
    positions = {layer.name: position for position, layer in enumerate(body.layers)}

    def copy(layer: layers.Layer) -> layers.Layer:
        if isinstance(layer, layers.BatchNormalization):
            return norm(epsilon=layer.epsilon, name=layer.name)
        config = layer.get_config()
        if not layer.weights and layer.name not in PREPROCESSING:
            config["name"] = f"{type(layer).__name__.lower()}_{positions[layer.name]}"
        if isinstance(layer, layers.Dropout):
            return dropout(layer.rate, noise_shape=layer.noise_shape, name=config["name"])
        return type(layer).from_config(config)

    return keras.models.clone_model(body, clone_function=copy)


def _densenet121(tensor: Tensor) -> Tensor:
    """Return the features of DenseNet-121 (Huang et al. 2017)."""
    return keras.applications.DenseNet121(
        include_top=False, weights=None, input_tensor=tensor
    ).output


def _efficientnetv2b0(tensor: Tensor) -> Tensor:
    """Return the features of EfficientNetV2-B0 (Tan and Le 2021)."""
    return keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_tensor=tensor, include_preprocessing=False
    ).output


class _Stage(NamedTuple):
    """Blocks of EfficientNet: of the first, the stride; of all, kernel, expansion and filters."""

    num_blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


# B0's stages (Tan and Le 2019).
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_LITE_EPSILON = 1e-3


def _efficientnet_lite0(tensor: Tensor) -> Tensor:
    """Return the features of EfficientNet-Lite0 (Liu 2020).

    It is EfficientNet-B0 without squeeze and excitation, and with ReLU6 for swish.
    """
    tensor = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(
        tensor
    )
    tensor = _norm_relu6(tensor, "stem")
    number = 0
    for stage in _STAGES:
        for position in range(stage.num_blocks):
            stride = stage.stride if position == 0 else 1
            tensor = _inverted_residual(tensor, stage, stride, f"block{number}")
            number += 1
    tensor = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(tensor)
    return _norm_relu6(tensor, "top")


def _inverted_residual(tensor: Tensor, stage: _Stage, stride: int, name: str) -> Tensor:
    inputs = tensor
    if stage.expansion > 1:
        tensor = layers.Conv2D(
            stage.expansion * inputs.shape[-1], 1, use_bias=False, name=f"{name}_expand_conv"
        )(tensor)
        tensor = _norm_relu6(tensor, f"{name}_expand")
    tensor = layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(tensor)
    tensor = _norm_relu6(tensor, f"{name}_depthwise")
    tensor = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}_project_conv")(tensor)
    tensor = layers.BatchNormalization(epsilon=_LITE_EPSILON, name=f"{name}_project_norm")(tensor)
    if inputs.shape == tensor.shape:
        tensor = layers.Add(name=f"{name}_add")([inputs, tensor])
    return tensor


def _norm_relu6(tensor: Tensor, name: str) -> Tensor:
    tensor = layers.BatchNormalization(epsilon=_LITE_EPSILON, name=f"{name}_norm")(tensor)
    return layers.ReLU(6, name=f"{name}_relu")(tensor)


class Architecture(NamedTuple):
    """A published network, and the patches it expects: mean and deviation are shares of 255."""

    body: Callable[[Tensor], Tensor]  # from (n, size, size, 3) to the last feature map
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of ImageNet's pixels
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale: int = 1  # times by which the side of a patch is enlarged before


ARCHITECTURES: Mapping[str, Architecture] = {
    "densenet121": Architecture(_densenet121),
    "densenet121-x2": Architecture(_densenet121, scale=2),
    "efficientnetv2b0": Architecture(_efficientnetv2b0),
    "efficientnet-lite0": Architecture(
        _efficientnet_lite0, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3
    ),
}
