"""Writes a saved network of this project for another runtime, with Keras's own exporters.

`exported` defines the inputs and outputs; the stage `export` measures what was written.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras import ops

from metastasis.base.errors import InputError
from metastasis.engines import extras
from metastasis.engines.exported import INPUT, LOGIT, PROBABILITY
from metastasis.patches.symmetries import NUM_ELEMENTS

Tensor = Any  # keras.KerasTensor; Keras ships no types


def convert(network_path: Path, out_path: Path) -> None:
    """Write the .keras file's network to `out_path`: .xml with .bin (OpenVINO), or .onnx.

    Raises:
        InputError: the format's extra isn't installed, or the file holds no network of this project.
    """
    if out_path.suffix == ".xml":
        extras.require("openvino", ["openvino"])
        form = "openvino"
    else:
        extras.require("onnx", ["tf2onnx"])
        form = "onnx"
    network = batched(_load(network_path))
    out_path.parent.mkdir(parents=True, exist_ok=True)
    with _quiet():
        signature = [keras.InputSpec(shape=network.input_shape, dtype="float32", name=INPUT)]
        network.export(str(out_path), format=form, verbose=False, input_signature=signature)


def batched(model: keras.Model) -> keras.Model:
    """Return a final model, or a member's, with both outputs, as it is exported.

    A final model runs its network once for each flip and turn. Here it runs once, on a batch of
    all of them: the file is smaller, and is converted and quantised in a fraction of the time.
    """
    patch = keras.Input(model.input_shape[1:], name=INPUT)
    logit = model.get_layer(LOGIT)
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if not networks:
        logits = keras.Model(model.input, model.get_layer(PROBABILITY).input)(patch)
    else:
        num_turned = len(logit.input) // len(networks)
        turned = ops.concatenate(_turned(patch), axis=0) if num_turned > 1 else patch
        each = [ops.reshape(network(turned), (num_turned, -1)) for network in networks]
        mean = ops.mean(ops.concatenate(each, axis=0), axis=0)
        logits = ops.expand_dims(mean, -1)
    outputs = {LOGIT: logits, PROBABILITY: ops.sigmoid(logits)}
    return keras.Model(patch, outputs, name=model.name)


def _load(path: Path) -> keras.Model:
    model = keras.saving.load_model(path)
    names = {layer.name for layer in model.layers}
    if not {LOGIT, PROBABILITY} <= names:
        raise InputError(
            f"{path} has no layers {LOGIT} and {PROBABILITY}; expected a network of this project, "
            "such as models/model.keras."
        )
    return model


def _turned(patch: Tensor) -> list[Tensor]:
    """Return the patch in its eight orientations."""
    mirrored = [patch, ops.flip(patch, axis=2)]
    turns = range(NUM_ELEMENTS // 2)
    return [ops.rot90(each, k=k, axes=(1, 2)) for each in mirrored for k in turns]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the exporters write to the terminal about their own insides."""
    logger = logging.getLogger("tf2onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
