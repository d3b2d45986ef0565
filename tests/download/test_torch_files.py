"""Tests of `download.torch_files`: tensors are read, and no pickle runs or reads anything else.

The files are written here as PyTorch before 1.6 wrote them; it isn't needed.
"""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.download import torch_files

WEIGHT = np.arange(24, dtype="<f4").reshape(2, 3, 4)


class Global(NamedTuple):
    """A name that a pickle refers to and, if it is given arguments, calls."""

    module: str
    name: str
    arguments: tuple[object, ...] | None = None


class Persistent(NamedTuple):
    """What a pickle refers to by an id, and doesn't contain."""

    pid: object


class Raw(NamedTuple):
    """Instructions of a pickle, as they stand in it."""

    code: bytes


def pickled(value: object) -> bytes:
    return _code(value) + pickle.STOP


def _code(value: object) -> bytes:
    """Return the instructions of a pickle that make a value; what it names needn't exist."""
    match value:
        case Raw(code):
            pass
        case Global(module, name, None):
            code = f"c{module}\n{name}\n".encode()
        case Global(module, name, arguments):
            code = _code(Global(module, name)) + _code(arguments) + pickle.REDUCE
        case Persistent(pid):
            code = _code(pid) + pickle.BINPERSID
        case dict():
            items = b"".join(_code(key) + _code(item) for key, item in value.items())
            code = _code(Global("collections", "OrderedDict", ())) + b"(" + items + pickle.SETITEMS
        case tuple():
            code = b"(" + b"".join(map(_code, value)) + pickle.TUPLE
        case list():
            code = pickle.EMPTY_LIST + b"(" + b"".join(map(_code, value)) + pickle.APPENDS
        case _:
            code = pickle.dumps(value, protocol=1).removesuffix(pickle.STOP)
    return code


# A list in a list in a list, deeper than Python may recurse.
DEEP = Raw(pickle.EMPTY_LIST * 100_000 + pickle.APPEND * 99_999)


def storage(key: str, num_elements: object, kind: str = "FloatStorage") -> Persistent:
    return Persistent(("storage", Global("torch", kind), key, "cpu", num_elements, None))


def tensor(storage: object, offset: object, shape: object, strides: object) -> Global:
    hooks: dict[str, object] = {}
    arguments = (storage, offset, shape, strides, False, hooks)
    return Global("torch._utils", "_rebuild_tensor_v2", arguments)


def file(
    tensors: object,
    data: Mapping[str, NDArray[Any]],
    mark: int = torch_files.MARK,
    keys: object = None,
) -> bytes:
    """Return a file with the elements of storages by their keys."""
    parts = [mark, torch_files.VERSION, {"little_endian": True}, tensors, keys or list(data)]
    storages = [len(array).to_bytes(8, "little") + array.tobytes() for array in data.values()]
    return b"".join([*map(pickled, parts), *storages])


def one(tensor: object, mark: int = torch_files.MARK, keys: object = None) -> bytes:
    """Return a file whose only tensor lies in storage "7", of 24 numbers."""
    return file({"weight": tensor}, {"7": WEIGHT.ravel()}, mark, keys)


def right() -> Global:
    return tensor(storage("7", 24), 0, (2, 3, 4), (12, 4, 1))


def read(tmp_path: Path, content: bytes) -> torch_files.Tensors:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return torch_files.read(path)


def test_tensors_are_read_with_their_strides_offsets_and_types(tmp_path: Path) -> None:
    state = {
        "whole": right(),
        "turned": tensor(storage("7", 24), 0, (4, 3, 2), (1, 4, 12)),
        "part": tensor(storage("7", 24), 12, (4,), (1,)),
        "count": tensor(storage("9", 1, "LongStorage"), 0, (), ()),
    }
    found = read(tmp_path, file(state, {"7": WEIGHT.ravel(), "9": np.array([5], "<i8")}))
    assert list(found) == ["whole", "turned", "part", "count"]
    np.testing.assert_array_equal(found["whole"], WEIGHT)
    np.testing.assert_array_equal(found["turned"], WEIGHT.transpose(2, 1, 0))
    np.testing.assert_array_equal(found["part"], WEIGHT[1, 0])
    assert found["whole"].dtype == np.float32
    np.testing.assert_array_equal(found["count"], np.int64(5), strict=True)
    found["part"][:] = 0  # a tensor of its own
    np.testing.assert_array_equal(found["whole"], WEIGHT)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (os.system.__module__, "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch", "DoubleStorage"),
        ("torch._utils", "_rebuild_parameter"),
        ("collections", "defaultdict"),
        ("metastasis.download.torch_files", "_view"),
    ],
)
@pytest.mark.parametrize("part", range(5))
def test_a_pickle_that_names_anything_else_is_refused_and_not_run(
    tmp_path: Path, module: str, name: str, part: int
) -> None:
    ran = tmp_path / "ran"
    contents = [torch_files.MARK, torch_files.VERSION, {}, {"weight": right()}, ["7"]]
    contents[part] = Global(module, name, (f"touch {ran}",))
    with pytest.raises(InputError, match=rf"weights\.pth: expected .* it names {module}\.{name},"):
        read(tmp_path, b"".join(map(pickled, contents)))
    assert not ran.exists()


@given(position=st.integers(0, len(one(right())) - 1))
def test_a_file_that_ends_early_is_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int
) -> None:
    with pytest.raises(InputError, match=r"weights\.pth: expected tensors as PyTorch before 1\.6"):
        read(tmp_path_factory.mktemp("cut"), one(right())[:position])


@pytest.mark.parametrize(
    "tensor",
    [
        tensor(storage("7", 24), 0, (2, 3, 5), (12, 4, 1)),  # ends behind it
        tensor(storage("7", 24), 1, (2, 3, 4), (12, 4, 1)),
        tensor(storage("7", 24), -1, (2,), (1,)),
        tensor(storage("7", 24), 0, (2,), (-1,)),
        tensor(storage("7", 24), 0, (-2, -3), (1, 1)),
        tensor(storage("7", 24), 0, (0,), (1,)),
        tensor(storage("7", 24), 0, (2, 3), (1,)),
        tensor(storage("7", 24), 0, (10**12,), (0,)),  # would take a terabyte
        tensor(storage("7", 24), "0", (2,), (1,)),
        tensor(storage("7", 24), 0, (2.0,), (1,)),
        tensor("7", 0, (2,), (1,)),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(tmp_path: Path, tensor: Global) -> None:
    with pytest.raises(InputError, match=r"one of them doesn't lie within its storage"):
        read(tmp_path, one(tensor))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is damaged or of another kind"),
        (b"PK\x03\x04 a zip, as PyTorch writes since 1.6", "damaged or of another kind"),
        (one(right(), mark=1), "it doesn't begin with PyTorch's mark"),
        (one({"nested": right()}), "it holds something else"),
        (file(5, {}), "it holds something else"),
        (file(DEEP, {}), "it holds something else"),
        (one(tensor(Persistent(DEEP), 0, (2,), (1,))), "something else than a storage"),
        (one(right(), keys=["8"]), "its list of storages isn't"),
        (one(right(), keys=["7", "7"]), "its list of storages isn't"),
        (one(right(), keys=7), "damaged or of another kind"),
        (one(right()) + b"x", "it goes on after its last storage"),
        (one(tensor(storage("7", 25), 0, (2,), (1,))), "has 24 elements instead of 25"),
        (one(tensor(storage("7", "24"), 0, (2,), (1,))), "something else than a storage"),
        (one(tensor(Persistent(("module", "x")), 0, (2,), (1,))), "something else than a storage"),
        (one(tensor(storage("7", 24), 0, (2,), None)), "doesn't lie within its storage"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_an_attribute_that_a_pickle_sets_cannot_stand_in_for_a_method(tmp_path: Path) -> None:
    state = _code({"values": Global("collections", "OrderedDict")})  # which returns no values
    disguised = Raw(_code({"weight": 5}) + state + pickle.BUILD)
    with pytest.raises(InputError, match="it holds something else"):
        read(tmp_path, file(disguised, {}))


def test_two_sizes_of_one_storage_are_refused(tmp_path: Path) -> None:
    """The larger one would allow a tensor behind the end of the elements."""
    far = tensor(storage("7", 10**9), 10**8, (2,), (1,))
    for tensors in ({"a": far, "b": right()}, {"b": right(), "a": far}):
        with pytest.raises(InputError, match="its list of storages isn't"):
            read(tmp_path, file(tensors, {"7": WEIGHT.ravel()}))
        with pytest.raises(InputError, match="disagree about their storage"):
            read(tmp_path, file(tensors, {"7": WEIGHT.ravel()}, keys=["7", "7"]))
