"""Reads the user's list of labelled patches to leave out, each with a reason."""

from pathlib import Path

import pandas as pd

from metastasis import tables
from metastasis.base.errors import InputError, named

COLUMNS = ("id", "reason")


def read(path: Path | None) -> pd.DataFrame:
    """Return the table at `path`, with columns id and reason, each patch once; empty if no file.

    Raises:
        InputError: the file has other columns, or a patch has no reason or several.
    """
    if path is None or not path.exists():  # run by hand: DVC and `check` want the file
        return pd.DataFrame(columns=list(COLUMNS), dtype="str")
    table = tables.read_text(path)
    if set(table) != set(COLUMNS):
        raise InputError(
            f"{path} has the columns {','.join(map(str, table))}; expected {','.join(COLUMNS)}, "
            "with a row for each patch to leave out."
        )
    table = table.assign(**{name: table[name].str.strip() for name in COLUMNS})
    table = table.drop_duplicates(ignore_index=True)
    for fault, is_bad in (
        ("has no reason: write one", table["reason"] == ""),
        ("has several reasons: write them in one row", table["id"].duplicated()),
    ):
        if is_bad.any():
            raise InputError(f"{path}: {named(table.loc[is_bad, 'id'])} {fault}.")
    return table
