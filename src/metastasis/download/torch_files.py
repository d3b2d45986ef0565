"""Reads the tensors of a file that `torch.save` wrote before PyTorch 1.6, without running its code.

Such a file consists of four pickles (a mark, a version, facts about the machine, the tensors by
name), a pickled list of the keys of its storages, and the storages: the number of elements in 8
bytes, then the elements. A pickle may name any function to call. Here, all names are refused but
those that tensors need.
"""

import collections
import io
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError

Tensors = dict[str, NDArray[Any]]

MARK = 0x1950A86A20F9469CFC6C
VERSION = 1001
COUNT_BYTES = 8  # of the number of elements before each storage
DTYPES: Mapping[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),  # weights
    "LongStorage": np.dtype("<i8"),  # counts of batches
}

# What a damaged or malicious pickle raises, besides errors of this module.
_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)


class _Storage(NamedTuple):
    kind: str
    key: str
    num_elements: int


class _View(NamedTuple):
    """A tensor: where its elements lie in its storage. `strides` count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> Tensors:
    """Return the tensors of a file by their names.

    Raises:
        InputError: the file is damaged or of another kind, or names anything but tensors.
    """
    content = io.BytesIO(path.read_bytes())
    try:
        return _read(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _PICKLE_ERRORS as error:
        raise InputError(
            f"{path}: expected tensors as PyTorch before 1.6 saved them, but the file is damaged "
            f"or of another kind ({type(error).__name__}: {error})."
        ) from None


def _read(content: io.BytesIO) -> Tensors:
    mark, version, _, found, keys = (_Unpickler(content).load() for _ in range(5))
    if mark != MARK or version != VERSION:
        _refuse("it doesn't begin with PyTorch's mark and version")
    # An ordered dictionary may have attributes, which would stand in for its own methods.
    views = dict(dict.items(found)) if isinstance(found, dict) else {"": found}
    if not all(isinstance(view, _View) for view in views.values()):
        _refuse("it holds something else")
    storages = {view.storage for view in views.values()}
    if sorted(keys) != sorted(storage.key for storage in storages):
        _refuse("its list of storages isn't that of its tensors")
    by_key = {storage.key: storage for storage in storages}
    if len(by_key) < len(storages):
        _refuse("two of its tensors disagree about their storage")
    elements = {key: _elements(content, by_key[key]) for key in keys}
    if content.read(1):
        _refuse("it goes on after its last storage")
    return {name: _tensor(view, elements[view.storage.key]) for name, view in views.items()}


class _Unpickler(pickle.Unpickler):
    """Makes tensors, dictionaries and values without behaviour."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # a class or what stands for it
        """Return what stands for a name in the pickle."""
        match module, name:
            case "collections", "OrderedDict":
                return collections.OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _view
            case "torch", _ if name in DTYPES:
                return name
        return _refuse(f"it names {module}.{name}, which no tensor of weights needs")

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401  # whatever is in the file
        """Return the storage that a tensor refers to."""
        match pid:
            case "storage", str(kind), str(key), str(), int(num_elements), None if kind in DTYPES:
                return _Storage(kind, key, num_elements)
        return _refuse("it refers to something else than a storage")


def _view(storage: object, offset: object, shape: object, strides: object, *_: object) -> _View:
    """Return a tensor. The pickle calls it, with the arguments of PyTorch's own function."""
    match storage, offset, shape, strides:
        case _Storage(), int(), tuple(), tuple() if len(shape) == len(strides):
            numbers = (offset, *shape, *strides)
            if all(isinstance(number, int) and number >= 0 for number in numbers):
                last = offset + sum(
                    (side - 1) * step for side, step in zip(shape, strides, strict=True)
                )
                if 0 < math.prod(shape) <= storage.num_elements and last < storage.num_elements:
                    return _View(storage, offset, shape, strides)
    return _refuse("one of them doesn't lie within its storage")


def _elements(content: io.BytesIO, storage: _Storage) -> NDArray[Any]:
    """Return the next storage of the file, (num_elements,)."""
    num_elements = int.from_bytes(content.read(COUNT_BYTES), "little")
    if num_elements != storage.num_elements:
        _refuse(
            f"storage {storage.key} has {num_elements} elements instead of {storage.num_elements}"
        )
    dtype = DTYPES[storage.kind]
    data = content.read(num_elements * dtype.itemsize)
    if len(data) < num_elements * dtype.itemsize:
        _refuse(f"it ends within storage {storage.key}")
    return np.frombuffer(data, dtype)


def _tensor(view: _View, elements: NDArray[Any]) -> NDArray[Any]:
    """Return a tensor of its own, with its elements in the usual order."""
    strides = [step * elements.itemsize for step in view.strides]
    return np.lib.stride_tricks.as_strided(elements[view.offset :], view.shape, strides).copy()


def _refuse(reason: str) -> NoReturn:
    raise InputError(f"expected tensors as PyTorch before 1.6 saved them, but {reason}.")
