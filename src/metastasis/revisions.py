"""Knows how to get at the scores that `evaluate` wrote at a revision, through DVC.

What they are worth, `comparing` says.
"""

import io
from pathlib import Path

import dvc.api
import pandas as pd
from dvc.exceptions import DvcException

from metastasis import tables
from metastasis.errors import InputError

SCORES = "data/scores.csv"
COLUMNS = ["id", "split", "label", "slide", "logit"]
MEND = "Run evaluate there again: `dvc repro --force evaluate`."


def read(names: str) -> list[pd.DataFrame]:
    """Return the scores of each of several revisions or files of scores, separated by commas.

    What is an existing file is read as one.

    Raises:
        InputError: a revision, its scores or a file isn't there, or holds something else.
    """
    separate = [names] if Path(names).is_file() else names.split(",")
    return [_table(_content(name), name) for name in separate]


def _content(name: str) -> bytes:
    if Path(name).is_file():
        return Path(name).read_bytes()
    if not name:
        raise InputError(
            "a name is empty; expected revisions or files of scores, separated by commas alone."
        )
    if Path(name).suffix == ".csv":
        raise InputError(
            f"{name} doesn't exist; expected scores as evaluate writes them. Run `dvc repro`, or "
            "`dvc checkout` where they are in DVC's cache."
        )
    files = dvc.api.DVCFileSystem(rev=name)
    try:
        content: bytes = files.read_bytes(SCORES)
    except DvcException as error:
        raise InputError(
            f"{name} is neither a file nor a revision ({error}); expected a commit, branch or tag "
            "of this repository, or a file of scores. Run `git fetch` if it is elsewhere."
        ) from error
    except FileNotFoundError as error:
        if files.exists(SCORES):
            raise InputError(
                f"{SCORES} of {name} isn't in DVC's cache. Check {name} out and run `dvc fetch` "
                "if a remote has it, or `dvc repro`; then compare again."
            ) from error
        raise InputError(
            f"{name} has no {SCORES}; expected what evaluate writes. Check {name} out, run "
            "`dvc repro` and commit dvc.lock."
        ) from error
    return content


def _table(content: bytes, name: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            dtype=dict.fromkeys(("id", "split", "slide", tables.PATIENT_COLUMN), "str"),
            keep_default_na=False,  # the gate has left nothing empty but what is unknown
            na_values={"slide": [""], tables.PATIENT_COLUMN: [""], "logit": ["", "nan"]},
        )
    except ValueError as error:  # pandas' parser errors and bytes that are no text too
        raise InputError(f"the scores of {name} are no CSV: {error}. {MEND}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(
            f"the scores of {name} have the columns {', '.join(map(str, table))}; expected "
            f"{', '.join(COLUMNS)}. {MEND}"
        )
    is_wrong = ~table["label"].isin([0, 1])
    if is_wrong.any() or table["logit"].dtype.kind not in "if":
        raise InputError(
            f"the scores of {name} hold something else than labels 0 and 1 and logits that are "
            f"numbers. {MEND}"
        )
    return tables.with_patients(table)
