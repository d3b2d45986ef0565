"""Reads the user's list of labelled patches to leave out, each with a reason."""

from pathlib import Path

import pandas as pd

from metastasis import tables
from metastasis.base.errors import InputError, named

COLUMNS = ("id", "reason")


def read(path: Path, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the table at `path`, with columns id and reason, each patch once.

    Raises:
        InputError: the file is missing or has other columns; a patch has no reason or two; or the
            labels lack it, so that it can't be left out.
    """
    if not path.is_file():
        raise InputError(
            f"{path} is missing (validate.leave_out): restore it with `git checkout {path}`, or "
            f"write a header alone, {','.join(COLUMNS)}, to leave out no patch."
        )
    table = tables.read_text(path)
    if set(table) != set(COLUMNS):
        raise InputError(
            f"{path} has the columns {','.join(map(str, table))}; expected {','.join(COLUMNS)}, "
            "with a row for each patch to leave out."
        )
    table = table.assign(**{name: table[name].str.strip() for name in COLUMNS})
    table = table.drop_duplicates(ignore_index=True)
    faults = {
        "have no reason; write one": table["reason"] == "",
        "have several reasons; write them in one row": table["id"].duplicated(),
        "are not among the labels of data.source; correct or delete their rows, or name another "
        "file in validate.leave_out": ~table["id"].isin(labels["id"]),
    }
    found = [
        f"{is_bad.sum():,} ({named(table.loc[is_bad, 'id'])}) {what}"
        for what, is_bad in faults.items()
        if is_bad.any()
    ]
    if found:
        raise InputError(f"{path}: of the patches to leave out, {'; '.join(found)}.")
    return table
