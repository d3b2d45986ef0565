"""Writes the predictions as a table, CSV or JSON lines, image by image."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.base import files
from metastasis.inference import finding
from metastasis.inference.finding import Failure, Image
from metastasis.inference.region_judging import Scored
from metastasis.results.decision import Decision, to_probabilities

Form = Literal["csv", "jsonl"]
FAILURES_NAME = "failures.csv"
PIECE = 2**16  # rows that are made at a time: a table takes some 100 bytes for each


def table_name(form: Form) -> str:
    """Return the name of the table in the output folder."""
    return f"predictions.{form}"


def of_patches(
    patches: list[Image], logits: NDArray[np.float32], decision: Decision
) -> Iterator[pd.DataFrame]:
    """Yield a row for each patch, piece by piece: name and path, no place, what was predicted."""
    for start in range(0, max(len(patches), 1), PIECE):
        some = patches[start : start + PIECE]
        names = {
            "id": [each.name for each in some],
            "path": [finding.shown(each.path) for each in some],
        }
        nowhere = pd.array([None] * len(some), dtype="Int64")
        table = pd.DataFrame(names, dtype="str").assign(x=nowhere, y=nowhere)
        yield _predicted(table, to_probabilities(logits[start : start + PIECE]), decision)


def of_view(image: Image, scored: Scored, decision: Decision) -> Iterator[pd.DataFrame]:
    """Yield a row for each scored cell, row by row, piece by piece.

    x and y are the first pixel of its central square, in pixels of the image's largest level.
    """
    grid = scored.grid
    height = max(PIECE // grid.columns, 1)
    for start in range(0, grid.rows, height):
        rows, columns = np.nonzero(np.isfinite(scored.logits[start : start + height]))
        rows += start
        x, y = (
            np.rint(grid.corners(count)[chosen] * scored.scale).astype(np.int64)
            for count, chosen in ((grid.columns, columns), (grid.rows, rows))
        )
        places = pd.DataFrame({"x": x, "y": y}, dtype="Int64")
        named = places.assign(id=image.name, path=finding.shown(image.path))
        table = named[["id", "path", "x", "y"]]
        yield _predicted(table, to_probabilities(scored.logits[rows, columns]), decision)


def append(file: IO[bytes], tables: Iterable[pd.DataFrame], form: Form) -> None:
    """Write rows after those that are there; the first of a CSV follow its header.

    Probabilities have all digits of a float64, as in the submission, so that ranks stay.
    """
    for table in tables:
        _append(file, table, form)


def _append(file: IO[bytes], table: pd.DataFrame, form: Form) -> None:
    if form == "jsonl":
        places = table[["x", "y"]].astype(object).where(table[["x", "y"]].notna(), None)
        for row in table.assign(x=places["x"], y=places["y"]).to_dict("records"):
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        return
    digits = [f"{probability:.17g}" for probability in table["probability"]]
    content = files.csv(table.assign(probability=digits))
    file.write(content if not file.tell() else content.split(b"\n", 1)[1])


def write_failures(folder: Path, failures: list[Failure]) -> None:
    """Write what wasn't scored, and why; without any, remove the file of an earlier run."""
    path = folder / FAILURES_NAME
    if not failures:
        path.unlink(missing_ok=True)
        return
    found = [(finding.shown(each.path), each.reason) for each in failures]
    with files.whole_file(path) as partial:
        files.write_csv(partial, pd.DataFrame(found, columns=["path", "reason"]))


def _predicted(
    table: pd.DataFrame, probabilities: NDArray[np.float64], decision: Decision
) -> pd.DataFrame:
    found = table.assign(probability=probabilities, call=decision.calls(probabilities))
    held = decision.held(probabilities)
    return found if held is None else found.assign(set=held)
