"""Keeps the scores of an interrupted run, so that the same command goes on where it stopped."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis.base import files

FOLDER = ".unfinished"  # in the output folder
VERSION = 2  # of the file, and of the code that computes scores: no other one goes on with them
NUMBER = np.dtype("<i8")  # of a part, before its logits


@dataclass(frozen=True)
class State:
    """A file of logits, rows of `width` float32, in parts of `height` rows; the last has the rest.

    The parts come in the order in which they were finished, each after its number. NaN is where
    nothing was scored.
    """

    path: Path
    num_rows: int
    width: int
    height: int

    @property
    def num_parts(self) -> int:
        """How many parts there are to finish."""
        return -(-self.num_rows // self.height)

    def rows(self, number: int) -> range:
        """Return the rows of a part."""
        start = number * self.height
        return range(start, min(start + self.height, self.num_rows))

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the logits (num_rows, width) and which parts are finished (num_parts,).

        A killed process may have written a piece of its last part, which is dropped.
        """
        logits = np.full((self.num_rows, self.width), np.nan, np.float32)
        is_finished = np.zeros(self.num_parts, bool)
        if not self.path.exists():
            return logits, is_finished
        end = 0
        with self.path.open("rb") as file:
            while len(head := file.read(NUMBER.itemsize)) == NUMBER.itemsize:
                number = int(np.frombuffer(head, NUMBER)[0])
                if not 0 <= number < self.num_parts:
                    break
                rows = self.rows(number)
                content = file.read(4 * self.width * len(rows))
                if len(content) < 4 * self.width * len(rows):
                    break
                part = np.frombuffer(content, np.float32).reshape(len(rows), self.width)
                logits[rows.start : rows.stop] = part
                is_finished[number] = True
                end = file.tell()
        os.truncate(self.path, end)
        return logits, is_finished

    def append(self, number: int, part: NDArray[np.float32]) -> None:
        """Write the logits (n, width) of a part to the disk."""
        content = part.astype(np.float32, copy=False).tobytes()
        with self.path.open("ab") as file:
            file.write(np.array(number, NUMBER).tobytes() + content)
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


def state(
    output: Path, size: tuple[int, int], height: int, facts: dict[str, Any], paths: Iterable[Path]
) -> State:
    """Return the state of these facts (model, options) and files; a changed file has another.

    `size` is the number of rows and their width, and `height` that of the rows of a part.
    """
    key = hashlib.sha256(json.dumps([VERSION, size, height, facts], sort_keys=True).encode())
    for path in paths:
        key.update(json.dumps(_identity(path)).encode("utf-8", "surrogateescape"))
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return State(folder / f"{key.hexdigest()[:32]}.logits", *size, height)


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
