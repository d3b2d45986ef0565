"""Writes the same content to the same bytes, a folder completely or not at all, and locks folders.

The stages decide what the files hold.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_FLOOR, Context
from pathlib import Path
from typing import Any

import pandas as pd

from metastasis.base.errors import InputError

NUM_METRIC_DIGITS = 6  # significant digits; further ones are noise for 200,000 patches
NUM_TABLE_DIGITS = 9  # enough to read back a float32 unchanged


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with sorted keys and floats rounded to `NUM_METRIC_DIGITS`.

    Raises:
        ValueError: a float is NaN or infinite, which JSON can't hold; None means "not defined".
    """
    _write_json(path, content, is_sorted=True)


def write_metrics(path: Path, content: dict[str, Any]) -> None:
    """Write a stage's metrics for DVC as `write_json` does, but in the given order.

    `dvc exp show` shows its columns in this order.
    """
    _write_json(path, content, is_sorted=False)


def _write_json(path: Path, content: dict[str, Any], *, is_sorted: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(content), indent=2, sort_keys=is_sorted, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` without its index, with Unix line endings on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv(table))


def csv(table: pd.DataFrame) -> bytes:
    """Return the bytes that `write_csv` writes, in UTF-8."""
    form = f"%.{NUM_TABLE_DIGITS}g"
    text: str = table.to_csv(index=False, lineterminator="\n", float_format=form)
    return text.encode()


@contextmanager
def alone(folder: Path, refusal: str) -> Iterator[None]:
    """Lock `folder` during a run, so that a second run can't mix in its files.

    Raises:
        InputError: another process has locked it; the message is `refusal`.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(refusal) from None
        yield
    finally:
        os.close(descriptor)  # this releases the lock, as does the end of the process


def rounded_down(number: float) -> float:
    """Return a number with the digits of a JSON file: a threshold read back excludes no patch."""
    context = Context(prec=NUM_METRIC_DIGITS, rounding=ROUND_FLOOR)
    return float(context.create_decimal(str(number)))


def rounded(value: Any) -> Any:  # noqa: ANN401  # JSON's own values
    """Return JSON's values with floats of `NUM_METRIC_DIGITS`, as they are written."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{NUM_METRIC_DIGITS}g}")
    return value


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` at the end, or removed after an exception.

    If the process is killed, `path`.partial remains, which nothing reads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that is renamed to `path` at the end, or removed after an exception.

    If the process is killed, `path`.partial remains, which nothing reads and the next run removes.
    """
    partial = path.with_name(path.name + ".partial")
    for leftover in (partial, path):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
