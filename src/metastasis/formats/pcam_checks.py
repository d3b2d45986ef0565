"""Checks that facts that PatchCamelyon states twice agree: labels and meta rows, files and MD5s.

`pcam_layout` finds the files; `pcam_record` lists the published ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.base import published
from metastasis.base.errors import NUM_NAMED, InputError, named
from metastasis.base.published import RemoteFile
from metastasis.formats import pcam_record

CENTRE, ANYWHERE = "center_tumor_patch", "tumor_patch"  # equal to the label, and implied by it
TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
SMALL_BYTES = 2**26  # files of labels and meta rows are smaller, and always hashed


@dataclass(frozen=True)
class Part:
    """A split's labels (n,) and its meta rows, if there are any, with the paths of their files."""

    labels: NDArray[np.integer]
    path: Path
    meta: pd.DataFrame | None
    meta_path: Path | None


def check_published(
    paths: Iterable[Path], record: Sequence[RemoteFile] = pcam_record.FILES
) -> None:
    """Check files with published names against their published MD5s; all other files pass.

    Images are hashed only if their size is a published one. Hashing takes 1.1 s of a core per GB;
    unpacking takes 5.9 s.

    Raises:
        InputError: a file has the content that is published under another name, or the published
            size but other content.
    """
    by_name = {file.name.removesuffix(".gz"): file for file in record}
    sizes = {file.num_bytes for file in record}
    names = {file.md5: file.name for file in record}
    for path in paths:
        expected = by_name.get(path.name.lower().removesuffix(".gz"))
        num_bytes = path.stat().st_size
        if expected is None or (num_bytes > SMALL_BYTES and num_bytes not in sizes):
            continue
        found = published.md5(path)
        if found == expected.md5:
            continue
        if found in names:
            raise InputError(
                f"pcam-exchanged: {path} has the content published as {names[found]} (MD5 "
                f"{found}): the two look exchanged, as their published MD5s once were. Rename "
                "the files, or fetch both again with `make pcam`."
            )
        if num_bytes and num_bytes == expected.num_bytes:
            raise InputError(
                f"pcam-whole: {path} has the {num_bytes:,} bytes of the published file, but other "
                f"content: its MD5 is {found}, expected {expected.md5}. Fetch it again."
            )


def check_labels(splits: Mapping[str, Part]) -> None:
    """Check each split's labels against its meta rows, of which there are as many.

    Raises:
        InputError: they contradict each other. If the labels fit another split's rows, the message
            says which files look exchanged.
    """
    for split, part in splits.items():
        if part.meta is None:
            continue
        centre = _truths(part, CENTRE)
        anywhere = _truths(part, ANYWHERE)
        if centre is not None:
            wrong = (part.labels != centre) & np.isin(part.labels, (0, 1))
            _require_none(wrong, split, part, f"{CENTRE} is {{not_}}", _exchanged(split, splits))
        if anywhere is not None:
            positive = part.labels == 1 if centre is None else (part.labels == 1) | centre
            _require_none(
                positive & ~anywhere, split, part, f"there is tumour, but {ANYWHERE} is False"
            )


def _require_none(
    wrong: NDArray[np.bool_], split: str, part: Part, what: str, cause: str = ""
) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        texts = [
            f"row {row}: the label is {part.labels[row]}, "
            + what.format(not_=bool(1 - part.labels[row]))
            for row in rows[: NUM_NAMED + 1]
        ]
        raise InputError(
            f"pcam-labels: {len(rows):,} of {len(wrong):,} labels of the {split} split, in "
            f"{part.path}, contradict {part.meta_path} (counted from 0, {named(texts, '; ')}). "
            + (cause or "One of the two belongs to another split or was changed: fetch both again.")
        )


def _exchanged(split: str, splits: Mapping[str, Part]) -> str:
    """Return which files look exchanged, if the labels fit another split's meta rows."""
    values = splits[split].labels
    for other, part in splits.items():
        centre = None if other == split or part.meta is None else _truths(part, CENTRE)
        if centre is not None and np.array_equal(values, centre):
            return (
                f"All of them fit {part.meta_path}: {splits[split].path} and {part.path} look "
                "exchanged, or else the two meta files; swap their names, or fetch them again."
            )
    return ""


def _truths(part: Part, column: str) -> NDArray[np.bool_] | None:
    """Return a column of the meta rows as booleans, or None if there is no such column."""
    if part.meta is None or column not in part.meta:
        return None
    cells = part.meta[column].str.strip().str.lower()
    known = cells.isin(list(TRUTHS))
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        raise InputError(
            f"pcam-meta-values: {part.meta_path}: {column} is {part.meta[column][row]!r} in "
            f"row {row}; expected True or False."
        )
    return cells.map(TRUTHS).to_numpy(np.bool_)
