"""Knows the tables of the pipeline: how to read them, and what a split of them is worth."""

import csv
import io
import re
from collections.abc import Container
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd

from metastasis.base import files
from metastasis.base.errors import InputError

Unit = Literal["patient", "slide", "patch"]
SPLITS = ("train", "validation", "test")
UNITS: tuple[Unit, ...] = ("patient", "slide")  # the coarsest first; where none is known, patches
NAMES = (*UNITS, "official")
# A file's column: not `patient`, so that a slide map's own can be joined to it.
PATIENT_COLUMN = "patient_name"
FORM = ("encoding", "cells", "byte_order_mark", "line_ends", "quotes", "blank_lines")
SHA1 = re.compile(r"\b[0-9a-f]{40}\b")
NUM_ID_DIGITS = 8  # of a SHA-1, where room is short; files have all
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_text(path: Path) -> pd.DataFrame:
    """Return a source's CSV with every cell as the text it is, also one that says NA or 007.

    Raises:
        InputError: the file is missing, empty, not UTF-8 or no CSV.
    """
    table, form = look(path)
    for fault in (form["encoding"], form["cells"]):
        if fault:
            raise InputError(f"{path.name} is not a CSV with a header, in UTF-8: {fault}.")
    return table


def look(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a CSV as text, and of each of `FORM` what is unusual, or nothing.

    The table is empty if the encoding or the cells don't let it be read.

    Raises:
        InputError: the file is missing.
    """
    if not path.exists():
        raise InputError(f"{path.name} is missing in the source.")
    return parse(path.read_bytes())


def parse(content: bytes) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return what `look` returns of a file with this content."""
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
    """Return the table; pandas itself would take a row's surplus cell for an index."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    if not header:
        raise ValueError("there is no header")
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


def read_patches(path: Path) -> pd.DataFrame:
    """Return a manifest or split: text id, slide and patient (missing: unknown), label 0 or 1."""
    table = pd.read_csv(
        path,
        dtype={"id": "str", "label": "int64", **dict.fromkeys((*NAMES, PATIENT_COLUMN), "str")},
        keep_default_na=False,  # the gate has left nothing empty but what is unknown
        na_values={name: [""] for name in (*NAMES, PATIENT_COLUMN)},
    )
    return with_patients(table)


def with_patients(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as read with the column patient; older ones know none."""
    table = table.rename(columns={PATIENT_COLUMN: "patient"})
    return table if "patient" in table else table.assign(patient=pd.Series(dtype="str"))


def write_patches(path: Path, table: pd.DataFrame) -> None:
    """Write a manifest, a split or scores, so that `read_patches` reads them."""
    files.write_csv(path, table.rename(columns={"patient": PATIENT_COLUMN}))


def reported(parts: Container[str]) -> str:
    """Return the part whose numbers count: test, or validation where there is none."""
    return "test" if "test" in parts else "validation"


def unit(patches: pd.DataFrame) -> Unit:
    """Return the coarsest unit that is known of every patch: what is independent of each other."""
    return next((unit for unit in UNITS if _is_known(patches, unit)), "patch")


class Disjointness(TypedDict):
    """What every metrics file says of a split: what is kept apart, and the coarsest unit known."""

    slide_disjoint: bool
    patient_disjoint: bool | None
    unit: Unit


def disjointness(patches: pd.DataFrame) -> Disjointness:
    """Return what is kept apart by a split."""
    return {
        "slide_disjoint": is_slide_disjoint(patches),
        "patient_disjoint": is_patient_disjoint(patches),
        "unit": unit(patches),
    }


def brief(id_: str) -> str:
    """Return an id as a caption has it: of a SHA-1 the first digits, any other as it is."""
    return id_[:NUM_ID_DIGITS] if SHA1.fullmatch(id_) else id_


def is_slide_disjoint(patches: pd.DataFrame) -> bool:
    """Return whether no slide stands in two splits; where one is unknown, patients may show it."""
    if not _is_known(patches, "slide"):
        return is_patient_disjoint(patches) is True
    return _is_disjoint(patches, "slide")


def is_patient_disjoint(patches: pd.DataFrame) -> bool | None:
    """Return whether no patient stands in two splits; None where a patient is unknown."""
    return _is_disjoint(patches, "patient") if _is_known(patches, "patient") else None


def _is_known(patches: pd.DataFrame, column: str) -> bool:
    return column in patches and bool(patches[column].notna().all())


def _is_disjoint(patches: pd.DataFrame, column: str) -> bool:
    return int(patches.groupby(column)["split"].nunique().max()) == 1
