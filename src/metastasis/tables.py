"""Knows the tables of the pipeline: how to read them, and what a split of them is worth."""

import csv
import io
from pathlib import Path

import pandas as pd

from metastasis.errors import InputError

SPLITS = ("train", "validation", "test")
FORM = ("encoding", "cells", "byte_order_mark", "line_ends", "quotes", "blank_lines")
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
    content = path.read_bytes()
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
    """Return a manifest or split: text id and slide (missing: unknown), label 0 or 1."""
    return pd.read_csv(
        path,
        dtype={"id": "str", "label": "int64", "slide": "str", "official": "str"},
        keep_default_na=False,  # a slide may well be called NA
        na_values={"slide": [""], "official": [""]},
    )


def is_slide_disjoint(patches: pd.DataFrame) -> bool:
    """Return whether every patch has a slide and no slide stands in two splits."""
    is_known = bool(patches["slide"].notna().all())
    return is_known and int(patches.groupby("slide")["split"].nunique().max()) == 1
