"""Keeps the state of unfinished training, so that a killed run can resume.

`fitting` fills the state. It is stored under a key of everything that decides the result.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis.base import files, libraries, pipeline

HISTORY = "history"
DIGEST_SIZE = hashlib.sha256().digest_size

Arrays = list[NDArray[Any]]
Row = dict[str, float]


@dataclass(frozen=True)
class State:
    """The state that the next epoch starts from."""

    variables: Arrays  # of network and optimiser, including random generators
    average: Arrays  # of the weights
    best: Arrays  # the average with the best validation AUC
    history: list[Row]  # one row per finished epoch


def key(settings: Mapping[str, Any], data: Iterable[Path], root: Path = pipeline.ROOT) -> str:
    """Return a hash of everything that decides the result, and of nothing else.

    It covers the settings, the content of the files in `data`, and the code and the libraries that
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


def alone(folder: Path) -> AbstractContextManager[None]:
    """Lock the folder of a member's states while it trains.

    Raises:
        InputError: another process has locked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return files.alone(
        folder,
        f"this member is already training in this folder (it has locked {folder}), possibly "
        "left by an interrupted `dvc repro`; wait for it or stop it.",
    )


def save(path: Path, state: State) -> None:
    """Replace the older state: after a kill, one of the two is there and complete."""
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
        os.fsync(file.fileno())  # before renaming, in case the machine crashes


def load(path: Path) -> State | None:
    """Return the state, or None if there is none or the file is damaged (a warning is printed)."""
    if not path.exists():
        return None
    stored = path.read_bytes()
    digest, content = stored[:DIGEST_SIZE], stored[DIGEST_SIZE:]
    if hashlib.sha256(content).digest() != digest:
        print(f"warning: {path} is damaged and ignored")
        return None
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    history = json.loads(arrays.pop(HISTORY).tobytes())
    groups: dict[str, Arrays] = {"variables": [], "average": [], "best": []}
    for name in sorted(arrays):
        groups[name.partition("-")[0]].append(arrays[name])
    return State(**groups, history=history)
