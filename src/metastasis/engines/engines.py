"""Defines what an engine is, and opens one by its name, or by the ending of the network's file.

The modules beside it compute, and `converting` writes Keras's networks in their formats. Callers
choose the patches, and decide what becomes of the logits.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.engines import converting, extras, onnx_engine, openvino_engine
from metastasis.engines.openvino_engine import Precision

EngineName = Literal["keras", "openvino", "onnx"]

ENDINGS: dict[str, EngineName] = {".keras": "keras", ".xml": "openvino", ".onnx": "onnx"}
ENDING_OF = {name: ending for ending, name in ENDINGS.items()}
RUNTIMES = {"openvino": "openvino", "onnx": "onnxruntime"}  # the library, by the extra


class Engine(Protocol):
    """A network that is ready to compute."""

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logit of tumour (n,) of any number of patches (n, size, size, 3), RGB."""
        ...


def open_engine(
    name: EngineName,
    network_path: Path,
    *,
    precision: Precision = "auto",
    num_threads: int | None = None,
) -> Engine:
    """Return the engine `name` with the network in a .keras file, or in an export to its format.

    `network_path` may be the folder of an export. "keras" gives the same bits as the pipeline's own
    scores. The others convert a .keras file first, which takes up to half a minute each time; the
    stage `export` does it once. `precision` is OpenVINO's; the others compute in float32. By
    default, an engine takes all processors; another `num_threads` is for a process that is new to
    TensorFlow.

    Raises:
        InputError: there is no such engine, its libraries aren't installed, or the file is none
            that it can read.
    """
    with prepared(name, network_path) as (path, *_):
        match name:
            case "keras":
                # Only here: an exported network needs no Keras, which takes seconds.
                from metastasis.engines import keras_engine  # noqa: PLC0415

                return keras_engine.KerasEngine(path, num_threads)
            case "openvino":
                return openvino_engine.read(path, precision, num_threads)
            case "onnx":
                return onnx_engine.read(path, num_threads)


@contextmanager
def prepared(name: EngineName, network_path: Path) -> Iterator[list[Path]]:
    """Yield the files of the network in the engine's own format, that which is opened first.

    A .keras file is converted for the time that they are needed.

    Raises:
        InputError: as by `open_engine`.
    """
    path = _file(network_path)
    if name not in get_args(EngineName):
        raise InputError(
            f"the engine {name!r} is unknown; expected {', '.join(get_args(EngineName))}."
        )
    if named_by(path) not in ("keras", name):
        endings = [ending for ending, engine in ENDINGS.items() if engine in ("keras", name)]
        raise InputError(
            f"{path} can't be read by the engine {name}; expected a file ending in "
            f"{' or '.join(endings)}. Choose the engine {named_by(path)}, or another file."
        )
    if named_by(path) == name:
        yield _with_weights(path)
        return
    extras.require(name, [RUNTIMES[name]])
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder, "model").with_suffix(ENDING_OF[name])
        converting.convert(path, converted)
        yield _with_weights(converted)


def open_network(path: Path) -> Engine:
    """Return the engine that the file's ending names, with the network in the file or folder.

    Raises:
        InputError: as by `open_engine`, or no engine reads files of this ending.
    """
    return open_engine(named_by(_file(path)), path)


def named_by(path: Path) -> EngineName:
    """Return the name of the engine for a file with this ending.

    Raises:
        InputError: there is none.
    """
    if path.suffix not in ENDINGS:
        raise InputError(
            f"{path} has an unknown ending; expected a network ending in "
            f"{', '.join(ENDINGS)}: models/model.keras, or an export of it (docs/engines.md)."
        )
    return ENDINGS[path.suffix]


def _file(path: Path) -> Path:
    """Return the path, or the only network in the folder of an export."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path} is missing; expected a network. `dvc repro` writes it.")
    found = [each for each in sorted(path.iterdir()) if each.suffix in ENDINGS]
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise InputError(
            f"{path} is a folder with {len(found)} networks ({names}); expected the folder of an "
            "export, which holds one. Name the file itself."
        )
    return found[0]


def _with_weights(path: Path) -> list[Path]:
    """Return the network's files; OpenVINO's weights lie beside its graph."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
