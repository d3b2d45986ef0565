"""Reads the pipeline's tables, and says whether a split keeps slides and patients apart."""

import csv
import hashlib
import io
import re
from collections.abc import Container
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd

from metastasis.base import files
from metastasis.base.errors import InputError

Unit = Literal["patient", "slide", "region", "patch"]
SPLITS = ("train", "validation", "test")
UNITS: tuple[Unit, ...] = ("patient", "slide")  # what a slide map names, the coarsest first
ALL_UNITS: tuple[Unit, ...] = (*UNITS, "region", "patch")
NAMES = (*UNITS, "official", "region")
# The column's name in files: not `patient`, so that a slide map's own column can be joined.
PATIENT_COLUMN = "patient_name"
FORM = ("encoding", "cells", "byte_order_mark", "line_ends", "quotes", "blank_lines")
SCORES = ("id", "split", "label", "slide", "patient", "region", "logit")  # columns of scores
SHA1 = re.compile(r"\b[0-9a-f]{40}\b")
NUM_ID_DIGITS = 8  # of a SHA-1 in captions; files have all digits
OTHER_SEPARATORS = ";\t|"  # of spreadsheets and databases
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_text(path: Path) -> pd.DataFrame:
    """Return a source's CSV with every cell as text, also NA or 007.

    Raises:
        InputError: the file is missing, empty, not UTF-8 or not a CSV.
    """
    table, form = look(path)
    for fault in (form["encoding"], form["cells"]):
        if fault:
            raise InputError(f"{path.name} is not a CSV with a header, in UTF-8: {fault}.")
    return table


def look(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a CSV as text, and for each aspect in `FORM` what is unusual, or an empty text.

    The table is empty if its encoding or cells can't be read.

    Raises:
        InputError: the file is missing.
    """
    if not path.exists():
        raise InputError(f"{path.name} is missing in the source.")
    return parse(path.read_bytes())


def parse(content: bytes) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the same as `look` for a file with this content."""
    form = dict.fromkeys(FORM, "")
    if content.startswith(BYTE_ORDER_MARK):
        form["byte_order_mark"] = "a byte-order mark"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return pd.DataFrame(), form | {"encoding": f"byte {error.start:,} is not UTF-8"}
    if "\r" in text:
        form["line_ends"] = "CRLF" if "\r\n" in text else "CR"
    if '"' in text:
        form["quotes"] = "quotation marks"
    num_blank = sum(not line for line in text.splitlines())
    if num_blank:
        form["blank_lines"] = f"{num_blank:,} blank lines"
    try:
        return _rows(text), form
    except (ValueError, csv.Error) as error:
        return pd.DataFrame(), form | {"cells": str(error)}


def _rows(text: str) -> pd.DataFrame:
    """Return the table; pandas itself would read a row's extra cell as an index."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    if not header:
        raise ValueError("there is no header")
    other = next((mark for mark in OTHER_SEPARATORS if mark in header[0]), None)
    if len(header) == 1 and other:
        raise ValueError(f"the header is separated by {other!r}, expected ','")
    if len(set(header)) < len(header):
        raise ValueError(f"the header {','.join(header)} names a column twice")
    rows = []
    for row in reader:
        if row and len(row) != len(header):
            raise ValueError(
                f"line {reader.line_num:,} has {len(row)} cells, the header {len(header)}"
            )
        if row:
            rows.append(row)
    return pd.DataFrame(rows, columns=header, dtype="str")


def pixels_hash(inventory: pd.DataFrame) -> str:
    """Return the SHA-256 over the sorted SHA-1s of all images' pixels, a column of `inventory`.

    Whoever has the same hash has the same images.
    """
    sums = inventory["sha1"].dropna().sort_values()
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def read_patches(path: Path) -> pd.DataFrame:
    """Return a manifest or split: names as text (missing: unknown), label 0 or 1."""
    table = pd.read_csv(
        path,
        dtype={
            "id": "str",
            "label": "int64",
            **dict.fromkeys(("fold", "group", *NAMES, PATIENT_COLUMN), "str"),
        },
        keep_default_na=False,  # after the gate, an empty cell means unknown
        na_values={name: [""] for name in (*NAMES, PATIENT_COLUMN)},
    )
    return with_patients(table)


def with_patients(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the column patient, which is empty for older files without it."""
    table = table.rename(columns={PATIENT_COLUMN: "patient"})
    return table if "patient" in table else table.assign(patient=pd.Series(dtype="str"))


def write_patches(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest, a split or scores in the form that `read_patches` reads."""
    files.write_csv(path, table.rename(columns={"patient": PATIENT_COLUMN}))


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write the columns `SCORES`, as `make compare` reads them: a row for each scored patch."""
    write_patches(path, table[list(SCORES)])


def reported(parts: Container[str]) -> str:
    """Return the part whose numbers are reported: test, or validation if there is no test part."""
    return "test" if "test" in parts else "validation"


def unit(patches: pd.DataFrame) -> Unit:
    """Return the coarsest unit that is known for every patch.

    Patients and slides are independent. Regions of patches that overlap are the next best.
    """
    return next((unit for unit in ALL_UNITS if _is_known(patches, unit)), "patch")


class Disjointness(TypedDict):
    """What a split keeps apart, and the coarsest known unit; every metrics file has these facts."""

    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit


def disjointness(patches: pd.DataFrame) -> Disjointness:
    """Return whether a split keeps slides and patients apart, and the coarsest known unit."""
    return {
        "slide_disjoint": is_slide_disjoint(patches),
        "patient_disjoint": is_patient_disjoint(patches),
        "unit": unit(patches),
    }


def brief(id_: str) -> str:
    """Return an id for a caption: the first digits of a SHA-1, any other id unchanged."""
    return id_[:NUM_ID_DIGITS] if SHA1.fullmatch(id_) else id_


def is_slide_disjoint(patches: pd.DataFrame) -> bool:
    """Return whether no slide is in two splits; if a slide is unknown, patients may show it."""
    if not _is_known(patches, "slide"):
        return is_patient_disjoint(patches) is True
    return _is_disjoint(patches, "slide")


def is_patient_disjoint(patches: pd.DataFrame) -> bool | None:
    """Return whether no patient is in two splits; None if a patient is unknown."""
    return _is_disjoint(patches, "patient") if _is_known(patches, "patient") else None


def _is_known(patches: pd.DataFrame, column: str) -> bool:
    return column in patches and bool(patches[column].notna().all())


def _is_disjoint(patches: pd.DataFrame, column: str) -> bool:
    return int(patches.groupby(column)["split"].nunique().max()) == 1
