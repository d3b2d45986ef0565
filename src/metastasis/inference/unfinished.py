"""Keeps the scores of an interrupted run, so that the same command goes on where it stopped."""

import hashlib
import json
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis.base import files

FOLDER = ".unfinished"  # in the output folder
VERSION = 1  # of the code that computes scores: another one mustn't go on with them


@dataclass(frozen=True)
class State:
    """A file of logits: rows of `width` float32, in their order; NaN where nothing was scored."""

    path: Path
    width: int

    def read(self, multiple: int) -> NDArray[np.float32]:
        """Return the rows that are there (n, width), n a multiple of `multiple`, and drop the rest.

        A killed process may have written a part of its last rows.
        """
        if not self.path.exists():
            return np.empty((0, self.width), np.float32)
        num_bytes = 4 * self.width * multiple
        whole = self.path.stat().st_size // num_bytes * num_bytes
        os.truncate(self.path, whole)
        return np.fromfile(self.path, np.float32).reshape(-1, self.width)

    def append(self, rows: NDArray[np.float32]) -> None:
        """Write rows (n, width) to the disk."""
        with self.path.open("ab") as file:
            file.write(rows.astype(np.float32, copy=False).tobytes())
            file.flush()
            os.fsync(file.fileno())


def alone(output: Path) -> AbstractContextManager[None]:
    """Lock the output folder during a run: two runs would mix their rows and their files.

    Raises:
        InputError: another process has locked it.
    """
    return files.alone(
        output,
        f"another `metastasis predict` is writing to {output}; wait for it or name another folder "
        "by --output.",
    )


def state(output: Path, width: int, facts: dict[str, Any], paths: list[Path]) -> State:
    """Return the state of these facts (model, options) and files; a changed file has another."""
    identities = [_identity(path) for path in paths]
    text = json.dumps([VERSION, facts, identities], sort_keys=True)
    key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return State(folder / f"{key[:32]}.logits", width)


def remove(output: Path, states: list[State]) -> None:
    """Remove the states of a finished run; those of other runs stay."""
    for each in states:
        each.path.unlink(missing_ok=True)
    folder = output / FOLDER
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _identity(path: Path) -> list[str | int]:
    """Return what a changed file changes: its place, size and time."""
    try:
        found = path.stat()
    except OSError:
        return [str(path.absolute())]
    return [str(path.absolute()), found.st_size, found.st_mtime_ns]
