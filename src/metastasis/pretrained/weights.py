"""Fills a network's layers with the weights of a file, matched by the layers' names.

`architectures` builds layers of published networks; any other network's own file fits it too.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.pretrained import catalogue

Weights = dict[str, list[NDArray[Any]]]  # of each layer with weights, in the layer's order

EXPECTED = (
    "expected a .keras model, or an HDF5 file of weights as keras.applications publishes it or as "
    "Keras's save_weights writes it"
)
HEAD = ("logit",)  # layers that every task learns anew


def fill(network: keras.Model, path: Path) -> None:
    """Set the weights of all layers of `network` but the head's to those of the file.

    The file is a `.keras` model, or an HDF5 file of weights as keras.applications publishes it or
    as `save_weights` writes it. Other layers in it are ignored, above all its own head.

    Raises:
        InputError: the file is missing or can't be read, or it lacks a layer of the network, or
            has other shapes.
    """
    found = read(path)
    layers = [layer for layer in network.layers if layer.weights and layer.name not in HEAD]
    for layer in layers:
        expected = [tuple(weight.shape) for weight in layer.get_weights()]
        shapes = [array.shape for array in found.get(layer.name, [])]
        if shapes != expected:
            raise InputError(
                f"{path} holds no weights of {network.name}: its layer {layer.name} has "
                f"{shapes or 'no weights'} instead of {expected}."
            )
    for layer in layers:
        layer.set_weights(found[layer.name])


def read(path: Path) -> Weights:
    """Return the weights of each layer in a file, without running anything that it contains.

    Raises:
        InputError: the file is missing, damaged or in another format, or it has the name of a
            published file and other content.
    """
    if not path.exists():
        raise InputError(
            f"{path} is missing: `make weights` fetches published weights, and train.weights "
            "names the file."
        )
    catalogue.require_published(path)
    try:
        with _opened(path) as file:
            weights = _published(file) or _saved(file)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} can't be read as weights ({error}): {EXPECTED}.") from None
    if not weights:
        raise InputError(f"{path} holds no weights of named layers: {EXPECTED}.")
    return weights


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file, or the one in a `.keras` archive."""
    if not zipfile.is_zipfile(path):
        with h5py.File(path) as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        yield file


def _published(file: h5py.File) -> Weights:
    """Return the weights in Keras 2's format, which keras.applications' files have."""
    group = file.get("model_weights", file)
    names = [_text(name) for name in group.attrs.get("layer_names", [])]
    weights = {
        name: [
            np.asarray(group[name][_text(weight)]) for weight in group[name].attrs["weight_names"]
        ]
        for name in names
    }
    return {name: arrays for name, arrays in weights.items() if arrays}


def _saved(file: h5py.File) -> Weights:
    """Return the weights in Keras 3's format: a group `vars` for each layer, with its name."""
    weights: Weights = {}

    def collect(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if path.startswith("layers/") and path.endswith("/vars") and len(item):
            name = _text(item.attrs["name"])
            weights[name] = [np.asarray(item[str(number)]) for number in range(len(item))]

    file.visititems(collect)
    return weights


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
