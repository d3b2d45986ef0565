"""Reads frozen networks from Keras's files: published weights, or whole models.

Nothing that a file contains is run as code: Keras loads in its safe mode.
"""

from pathlib import Path

import keras
from keras import layers

from metastasis.base.errors import InputError
from metastasis.features.networks import CHANNELS, Network, brief
from metastasis.pretrained import architectures, weights

# What Keras raises for files that it can't read.
UNREADABLE = (*weights.UNREADABLE, ImportError)


def published(name: str, path: Path, size: int) -> Network:
    """Return the architecture `name` with the weights of a file, for patches of `size` pixels.

    The features are the mean of its last feature map over all cells.

    Raises:
        InputError: the file can't be read, or holds other layers.
    """
    body = architectures.build(name, size, layers.BatchNormalization)
    weights.fill(body, path)
    features = layers.GlobalAveragePooling2D(name="mean")(body.output)
    return Network(keras.Model(body.input, features).predict_on_batch, size, size)


def whole(path: Path, size: int) -> Network:
    """Return the model in a `.keras` file; its features are its output.

    This project's own networks end in the layers "logit" and "probability": their features are the
    input of "logit".

    Raises:
        InputError: the file can't be read, or the model doesn't take RGB or gives no features.
    """
    model = _loaded(path)
    height, width = _input_size(model, path, size)
    features = _features(model, path)
    return Network(keras.Model(model.inputs, features).predict_on_batch, height, width)


def _loaded(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except UNREADABLE as error:
        raise InputError(
            f"{path} can't be read ({brief(error)}); expected a model that Keras 3 saved, of "
            "Keras's own layers. Fetch or save it again, or export the network as .onnx "
            "(docs/probe.md)."
        ) from error


def _input_size(model: keras.Model, path: Path, size: int) -> tuple[int, int]:
    """Return height and width of the model's input; `size` where the model takes any."""
    match [tuple(each.shape) for each in model.inputs]:
        case [(_, height, width, channels)] if channels == CHANNELS:
            return height or size, width or size
        case shapes:
            raise InputError(
                f"{path} takes {shapes}; expected one input of (n, height, width, 3), RGB patches "
                "of 0..255. Build a model around it that takes these, and save that."
            )


def _features(model: keras.Model, path: Path) -> object:
    """Return the tensor of the model's features, (n, d)."""
    names = {layer.name for layer in model.layers}
    tensors = model.get_layer("logit").input if {"logit", "probability"} <= names else model.outputs
    match tensors if isinstance(tensors, list) else [tensors]:
        case [tensor] if len(tensor.shape) == 2 and tensor.shape[1] != 1:  # noqa: PLR2004  # (n, d)
            return tensor
        case found:
            shapes = [tuple(tensor.shape) for tensor in found]
            raise InputError(
                f"{path} gives {shapes}; expected features of (n, d) with d above 1. Save the "
                "model without its head and with its last feature map pooled. Of this project's "
                "own models, name models/members/1-0.keras."
            )
