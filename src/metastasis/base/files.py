"""Writes files so that the same content gives the same bytes, and folders whole or not at all.

What they hold is the stages' matter.
"""

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

NUM_METRIC_DIGITS = 6  # significant ones; beyond them a metric of 200,000 patches is noise
NUM_TABLE_DIGITS = 9  # a float32 in a table is read back as it was


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with sorted keys and floats rounded to `NUM_METRIC_DIGITS`.

    Raises:
        ValueError: a float is NaN or infinite, which JSON can't hold: write None for "not defined".
    """
    _write_json(path, content, is_sorted=True)


def write_metrics(path: Path, content: dict[str, Any]) -> None:
    """Write what DVC shows of a stage as `write_json` does, but in the order given.

    It is the order of the columns of `dvc exp show`.
    """
    _write_json(path, content, is_sorted=False)


def _write_json(path: Path, content: dict[str, Any], *, is_sorted: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(content), indent=2, sort_keys=is_sorted, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` without its index, with Unix line ends on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv(table))


def csv(table: pd.DataFrame) -> bytes:
    """Return what `write_csv` writes, in UTF-8."""
    form = f"%.{NUM_TABLE_DIGITS}g"
    text: str = table.to_csv(index=False, lineterminator="\n", float_format=form)
    return text.encode()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `path` at the end, or vanishes if anything is raised.

    A process killed in between leaves `path`.partial, which nothing reads.
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
    """Yield a new folder that becomes `path` at the end, or vanishes if anything is raised.

    A process killed in between leaves `path`.partial, which nothing reads and the next run removes.
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


def _rounded(value: Any) -> Any:  # noqa: ANN401  # JSON's own values
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{NUM_METRIC_DIGITS}g}")
    return value
