"""Writes a saved network of this project for another runtime, with Keras's own exporters.

`converter` is the process that runs this. `exported` defines the inputs and outputs.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from metastasis.base.errors import InputError
from metastasis.engines import extras, onnx_order
from metastasis.engines.exported import INPUT, LOGIT, PROBABILITY
from metastasis.patches.symmetries import NUM_ELEMENTS

EXTRAS = {".xml": ("openvino", "openvino"), ".onnx": ("onnx", "tf2onnx")}  # and a library of it

Tensor = Any  # keras.KerasTensor; Keras ships no types


def write(network_path: Path, out_path: Path) -> None:
    """Write the .keras file's network to `out_path`, whose ending names the format.

    Raises:
        InputError: as by `converting.convert`.
    """
    extra, library = EXTRAS[out_path.suffix]
    extras.require(extra, [library])
    network = batched(_with_constants(_load(network_path)))
    signature = [keras.InputSpec(shape=network.input_shape, dtype="float32", name=INPUT)]
    network.export(str(out_path), format=extra, verbose=False, input_signature=signature)
    if out_path.suffix == ".onnx":
        onnx_order.settle(out_path)


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


def _with_constants(model: keras.Model) -> keras.Model:
    """Return the model whose normalisation of colours is part of the graph.

    Keras holds mean and variance as tensors outside of it, which would be inputs in ONNX.
    """
    for layer in model._flatten_layers():  # noqa: SLF001  # Keras lists nested layers nowhere else
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    return model


def _turned(patch: Tensor) -> list[Tensor]:
    """Return the patch in its eight orientations, by mirroring and transposing in turn.

    A mirror is a choice of columns, which becomes one operation; Keras's `flip` becomes many.
    """
    columns = np.arange(patch.shape[2])[::-1].copy()
    turned = [patch]
    for step in range(1, NUM_ELEMENTS):
        last = turned[-1]
        is_mirror = step % 2 == 1
        turned.append(
            ops.take(last, columns, axis=2) if is_mirror else ops.transpose(last, (0, 2, 1, 3))
        )
    return turned
