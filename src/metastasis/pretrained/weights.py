"""Fills a network's layers with the weights of a file, matched by the layers' names.

`architectures` builds layers of published networks; any other network's own file fits it too.
"""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.pretrained import catalogue

Weights = dict[str, list[NDArray[Any]]]  # of each layer with weights, in the layer's order
Arrays = dict[str, list[h5py.Dataset]]  # the same, not read yet

EXPECTED = (
    "expected a .keras model, or an HDF5 file of weights as keras.applications publishes it or as "
    "Keras's save_weights writes it"
)
# What h5py and zipfile raise for files that are damaged, encrypted or made to be refused.
UNREADABLE = (
    OSError,
    KeyError,
    TypeError,
    ValueError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
)
NUMBERS = "fiu"  # kinds of dtype: floats, and the integers of random generators
HEAD = "logit"  # the layer that every task learns anew
MAX_BYTES = 2**31  # of all unpacked weights of a file: more wouldn't train here


def fill(network: Any, path: Path) -> None:  # noqa: ANN401  # keras.Model; `check` reads without Keras
    """Set the weights of all layers of `network` but the head's to those of the file.

    The file is a `.keras` model, or an HDF5 file of weights as keras.applications publishes it or
    as `save_weights` writes it. Other layers in it are ignored, above all its own head.

    Raises:
        InputError: the file is missing or can't be read, or it lacks a layer of the network, or
            has other shapes.
    """
    found = read(path)
    layers = [layer for layer in network.layers if layer.weights and layer.name != HEAD]
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
            _check_size(_unpacked(file))
            arrays = _published(file) or _saved(file)
            # A file may name one array many times.
            _check_size(sum(array.nbytes for layer in arrays.values() for array in layer))
            weights = {
                name: [np.asarray(array) for array in layer] for name, layer in arrays.items()
            }
    except UNREADABLE as error:
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
        member = archive.getinfo("model.weights.h5")
        _check_size(member.file_size)
        content = io.BytesIO(archive.read(member))
    with h5py.File(content) as file:
        yield file


def _published(file: h5py.File) -> Arrays:
    """Return the weights in Keras 2's format, which keras.applications' files have."""
    group = _member(file, "model_weights") if "model_weights" in file else file
    weights: Arrays = {}
    for name in map(_text, group.attrs.get("layer_names", [])):
        layer = _member(group, name)
        weights[name] = [_array(layer, _text(weight)) for weight in layer.attrs["weight_names"]]
    return {name: arrays for name, arrays in weights.items() if arrays}


def _saved(file: h5py.File) -> Arrays:
    """Return the weights in Keras 3's format: a group `vars` for each layer, with its name."""
    weights: Arrays = {}

    def collect(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if path.startswith("layers/") and path.endswith("/vars") and len(item):
            name = _text(item.attrs["name"])
            weights[name] = [_array(item, str(number)) for number in range(len(item))]

    file.visititems(collect)  # it follows no links
    return weights


def _array(group: h5py.Group, path: str) -> h5py.Dataset:
    """Return an array of numbers that lies in the file itself.

    An array of HDF5 may lie in any other file of the machine, whose bytes would end up in a model
    that people pass on.
    """
    found = _member(group, path)
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise KeyError(f"{path} is no array in this file")
    if found.dtype.kind not in NUMBERS:
        raise TypeError(f"{path} holds no numbers, but {found.dtype}")
    return found


def _unpacked(file: h5py.File) -> int:
    """Return the bytes of all arrays in a file; HDF5 says how large they get before they do."""
    sizes: list[int] = []

    def collect(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.nbytes)

    file.visititems(collect)  # it follows no links
    return sum(sizes)


def _check_size(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise ValueError(f"it would unpack to {num_bytes:,} bytes, more than {MAX_BYTES:,}")


def _member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """Return what lies at a path, reached through no link to another place or file."""
    for part in filter(None, path.split("/")):
        is_group = isinstance(group, h5py.Group)
        if not is_group or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise KeyError(f"{path} is no member of this file")
        group = group[part]
    return group


def _text(name: object) -> str:
    if not isinstance(name, bytes | str):
        raise TypeError(f"{name!r} is no name")
    return name.decode() if isinstance(name, bytes) else name
