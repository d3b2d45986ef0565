"""Keeps the state of an unfinished training, so that a killed one goes on where it was.

What goes into a state, `fitting` says. It is stored under a key of all that decides the result.
"""

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis.base import files, libraries, pipeline
from metastasis.base.errors import InputError

HISTORY = "history"
DIGEST_SIZE = hashlib.sha256().digest_size

Arrays = list[NDArray[Any]]
Row = dict[str, float]


@dataclass(frozen=True)
class State:
    """All that the next epoch starts from."""

    variables: Arrays  # of network and optimiser, those of random generators among them
    average: Arrays  # of the weights
    best: Arrays  # the average that validated best
    history: list[Row]  # one row an epoch that was finished


def key(settings: Mapping[str, Any], data: Iterable[Path], root: Path = pipeline.ROOT) -> str:
    """Return a hash of all that decides the result, which nothing else changes.

    It is over the settings, the content of the files in `data`, and the code and the libraries that
    the stage `train` of the tree at `root` declares.
    """
    stage = pipeline.stages([root / "dvc.yaml"])["train"]
    names = pipeline.libraries(stage, libraries.PATH.name)
    versions = {name: libraries.installed(name) for name in names}
    digest = hashlib.sha256(json.dumps([settings, versions], sort_keys=True).encode())
    for path in [*pipeline.code(stage, root), *data]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder` while a run goes on, against a second one that would mix its files in.

    Raises:
        InputError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(
            f"another training is going on in this folder (it holds {folder}), perhaps one that "
            "outlived its `dvc repro`; wait for it, or end it."
        ) from None
    finally:
        os.close(descriptor)  # which lets go, as the end of the process does


def save(path: Path, state: State) -> None:
    """Write the state in place of an older one: a kill leaves one of the two, whole."""
    arrays: dict[str, Any] = {
        f"{name}-{number:04d}": array
        for name in ("variables", "average", "best")
        for number, array in enumerate(getattr(state, name))
    }
    arrays[HISTORY] = np.frombuffer(json.dumps(state.history).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, **arrays)
    with files.whole_file(path) as partial, partial.open("wb") as file:
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())  # before it takes the older one's name: the machine may die too


def load(path: Path) -> State | None:
    """Return the state, or None if there is none or, as is told, the file is damaged."""
    if not path.exists():
        return None
    stored = path.read_bytes()
    digest, content = stored[:DIGEST_SIZE], stored[DIGEST_SIZE:]
    if hashlib.sha256(content).digest() != digest:
        print(f"warning: {path} is damaged, and left out")
        return None
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    history = json.loads(arrays.pop(HISTORY).tobytes())
    groups: dict[str, Arrays] = {"variables": [], "average": [], "best": []}
    for name in sorted(arrays):
        groups[name.partition("-")[0]].append(arrays[name])
    return State(**groups, history=history)
