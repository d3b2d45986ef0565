"""Builds the layers of published networks, up to their last feature map, for small patches.

A layer has the name and the weights' shapes of the published network, so that `weights` can fill
it. `models` adds the head.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from keras import layers

from metastasis.base.errors import InputError

Maker = Callable[..., layers.Layer]
Tensor = Any  # keras.KerasTensor; Keras ships no types

PREPROCESSING = ("patch", "rescale", "standardise")  # layers before a network's own

# Networks are made for 224 pixels and end in cells of 32 pixels: 3x3 of them at 96. If `last`, the
# layer that halves the side for the last time, doesn't, 6x6 cells are left.
LAST_STRIDE = 2

# Patches whose central 32 pixels are whole cells of 32 pixels.
SIZES = (32, 96)


def build(name: str, size: int, norm: Maker) -> keras.Model:
    """Return the network `name` from RGB patches of 0..255 to its last feature map.

    `norm` makes the layers that normalise batches; it takes the arguments of
    `keras.layers.BatchNormalization`.

    Raises:
        InputError: the centre of a patch isn't one cell of the feature map.
    """
    if size not in SIZES:
        raise InputError(
            f"train.model: {name} needs crop.size 32 or 96, so that the centre is a whole cell of "
            f"its features; found {size}."
        )
    architecture = ARCHITECTURES[name]
    inputs = keras.Input((size, size, 3), name="patch")
    tensor = layers.Rescaling(1 / 255, name="rescale")(inputs)
    variance = [deviation**2 for deviation in architecture.deviation]
    tensor = layers.Normalization(mean=architecture.mean, variance=variance, name="standardise")(
        tensor
    )
    body = keras.Model(inputs, architecture.body(tensor), name=name)
    return _adapted(body, architecture.last, norm)


def _adapted(body: keras.Model, last: str, norm: Maker) -> keras.Model:
    """Return `body` with another stride of its layer `last`, and with layers made by `norm`.

    Layers without weights are named by their position: Keras numbers unnamed layers by process.
    """
    positions = {layer.name: position for position, layer in enumerate(body.layers)}

    def copy(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.BatchNormalization):
            return norm(epsilon=layer.epsilon, name=layer.name)
        if layer.name == last:
            config["strides"] = LAST_STRIDE
            if "pool_size" in config:
                config["pool_size"] = LAST_STRIDE
        if not layer.weights and layer.name not in PREPROCESSING:
            config["name"] = f"{type(layer).__name__.lower()}_{positions[layer.name]}"
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
    """A published network: its body, its first layer, and the normalisation of its input.

    `mean` and `deviation` are shares of 255.
    """

    body: Callable[[Tensor], Tensor]  # from (n, size, size, 3) to the last feature map
    last: str
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # of ImageNet's pixels
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)


ARCHITECTURES: Mapping[str, Architecture] = {
    "densenet121": Architecture(_densenet121, "pool4_pool"),
    "efficientnetv2b0": Architecture(_efficientnetv2b0, "block6a_dwconv2"),
    "efficientnet-lite0": Architecture(
        _efficientnet_lite0,
        "block11_depthwise_conv",
        mean=(127 / 255,) * 3,
        deviation=(128 / 255,) * 3,
    ),
}
