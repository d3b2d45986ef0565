"""Knows how to get at the scores that `evaluate` wrote at a revision, through DVC.

What they are worth, `comparing` says.
"""

import io
from pathlib import Path

import dvc.api
import pandas as pd
from dvc.exceptions import DvcException

from metastasis import tables
from metastasis.base.errors import InputError

SCORES = "data/scores.csv"
LOCK = "dvc.lock"  # what DVC knows of a run; a commit without it knows nothing
MAX_SHOWN = 60  # characters of a first line
COLUMNS = ["id", "split", "label", "slide", "logit"]
MEND = "Run evaluate there again: `dvc repro --force evaluate`."


def read(names: str) -> list[pd.DataFrame]:
    """Return the scores of each of several revisions or files of scores, separated by commas.

    What is an existing file is read as one.

    Raises:
        InputError: a revision, its scores or a file isn't there, or holds something else.
    """
    separate = [names] if Path(names).is_file() else map(str.strip, names.split(","))
    return [_table(_content(name), name) for name in separate]


def _content(name: str) -> bytes:
    if Path(name).is_file():
        return Path(name).read_bytes()
    if not name:
        raise InputError(
            "a name is empty; expected a commit, branch, tag or file of scores, or several of "
            "them separated by commas."
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
        if not files.exists(LOCK):
            raise InputError(_without_lock(name, files)) from error
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


def _without_lock(name: str, files: dvc.api.DVCFileSystem) -> str:
    """Return why nothing is known of a revision's run: there was none, or it isn't committed."""
    missing = f"{name} has no {LOCK}, which says what its run gave."
    if files.repo.get_rev() == files.repo.scm.get_rev() and Path(LOCK).exists():
        return f"{missing} It stands here uncommitted: commit it, with data/{LOCK} and metrics/."
    return (
        f"{missing} Check {name} out, run `dvc repro` and commit {LOCK}, data/{LOCK} and metrics/; "
        "then compare again."
    )


def _table(content: bytes, name: str) -> pd.DataFrame:
    header = content.partition(b"\n")[0].decode("utf-8", "replace").strip()
    if not set(COLUMNS) <= set(header.split(",")):
        shown = header[:MAX_SHOWN] if header.isprintable() else "no text"
        raise InputError(
            f"{name} holds no scores: its first line is {shown!r}; expected a CSV with the columns "
            f"{', '.join(COLUMNS)}, as evaluate writes it to {SCORES}. Name such a file, or a "
            "commit, branch or tag."
        )
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            dtype=dict.fromkeys(("id", "split", "slide", tables.PATIENT_COLUMN), "str"),
            keep_default_na=False,  # the gate has left nothing empty but what is unknown
            na_values={"slide": [""], tables.PATIENT_COLUMN: [""], "logit": ["", "nan"]},
        )
    except ValueError as error:  # pandas' parser errors and bytes that are no text too
        raise InputError(
            f"the scores of {name} are cut or damaged: a row doesn't fit the header. {MEND}"
        ) from error
    is_wrong = ~table["label"].isin([0, 1])
    if is_wrong.any() or table["logit"].dtype.kind not in "if":
        raise InputError(
            f"the scores of {name} hold something else than labels 0 and 1 and logits that are "
            f"numbers. {MEND}"
        )
    return tables.with_patients(table)
