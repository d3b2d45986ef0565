"""Keeps the state of an unfinished training, so that a killed one goes on where it was.

What a state holds, `training` says. It is stored under a key of all that decides the result.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis import files

LIBRARIES = ("keras", "numpy", "opencv-python-headless", "tensorflow")
HISTORY = "history"

Arrays = list[NDArray[Any]]
Row = dict[str, float]


@dataclass(frozen=True)
class State:
    """All that the next epoch starts from."""

    variables: Arrays  # of network and optimiser, those of random generators among them
    average: Arrays  # of the weights
    best: Arrays  # the average that validated best
    history: list[Row]  # one row an epoch that was finished


def key(settings: Mapping[str, Any], data: Iterable[Path]) -> str:
    """Return a hash of the settings, the content of the files, this package and its libraries."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(json.dumps({name: version(name) for name in LIBRARIES}).encode())
    for path in [*sorted(Path(__file__).parent.glob("*.py")), *data]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def save(path: Path, state: State) -> None:
    """Write the state in place of an older one: a kill leaves one of the two, whole."""
    arrays: dict[str, Any] = {
        f"{name}-{number:04d}": array
        for name in ("variables", "average", "best")
        for number, array in enumerate(getattr(state, name))
    }
    arrays[HISTORY] = np.frombuffer(json.dumps(state.history).encode(), np.uint8)
    with files.whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def load(path: Path) -> State | None:
    """Return the state, or None if there is none or the file is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            arrays = dict(stored)
    except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    history = json.loads(arrays.pop(HISTORY).tobytes())
    groups: dict[str, Arrays] = {"variables": [], "average": [], "best": []}
    for name in sorted(arrays):
        groups[name.partition("-")[0]].append(arrays[name])
    return State(**groups, history=history)
