"""Reads the scores that `evaluate` wrote at a revision, through DVC.

`comparing` judges them.
"""

import io
import os
import subprocess
from pathlib import Path

import dvc.api
import pandas as pd
from dvc.scm import SCMError

from metastasis import tables
from metastasis.base.errors import InputError

SCORES = "data/scores.csv"
LOCK = "dvc.lock"  # DVC's record of a run; a commit without it has no scores
MAX_SHOWN = 60  # characters of a first line
MAX_REASON = 300  # characters of another library's message
COLUMNS = ["id", "split", "label", "slide", "logit"]
MEND = "Run evaluate there again: `dvc repro --force --single-item evaluate`."


def read(names: str) -> list[pd.DataFrame]:
    """Return the scores of each revision or file of scores; `names` are separated by commas.

    An existing file is read as a file, whatever its name.

    Raises:
        InputError: a revision, its scores or a file is missing, or a file isn't a file of scores.
    """
    separate = [names] if _is_file(names) else map(str.strip, names.split(","))
    return [_table(_content(name), name) for name in separate]


def _is_file(name: str) -> bool:
    return os.path.isfile(name)  # noqa: PTH113  # Path.is_file raises for a name that is too long


def _content(name: str) -> bytes:
    if _is_file(name):
        return Path(name).read_bytes()
    if not name:
        raise InputError(
            "a name is empty; expected a commit, branch, tag or file of scores, or several of "
            "them separated by commas."
        )
    if Path(name).suffix == ".csv":
        raise InputError(
            f"{name} doesn't exist; expected scores as evaluate writes them. Run `dvc repro`, "
            "`dvc checkout` if they are in DVC's cache, or `dvc pull` if a remote has them."
        )
    # The project may be a folder of a larger repository, which DVC knows by its paths from the top.
    inside = _git("rev-parse", "--show-prefix")
    files = dvc.api.DVCFileSystem(rev=name, subrepos=bool(inside))
    try:
        content: bytes = files.read_bytes(f"{inside}{SCORES}")
    except SCMError as error:
        raise InputError(
            f"{name} is neither a file nor a revision ({error}); expected a commit, branch or tag "
            f"of this repository, or a file of scores. Run `{_fetch()}` if it is elsewhere."
        ) from error
    except FileNotFoundError as error:
        if not files.exists(f"{inside}{LOCK}"):
            raise InputError(_without_lock(name, files)) from error
        if files.exists(f"{inside}{SCORES}"):
            raise InputError(
                f"{SCORES} of {name} isn't in DVC's cache. Check {name} out and run `dvc fetch` "
                "if a remote has it, or else `dvc repro`; then compare again."
            ) from error
        raise InputError(
            f"{name} has no {SCORES}; expected the scores that evaluate writes. Check {name} out, "
            "run `dvc repro` and commit dvc.lock."
        ) from error
    except Exception as error:  # of any kind: those of a pipeline, of a remote, of its library
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{SCORES} of {name} can't be read ({reason[:MAX_REASON]}). Check {name} out and run "
            "`dvc status` there, and `dvc fetch` if a remote has it; then compare again."
        ) from error
    return content


def _fetch() -> str:
    """Return the command that gets the commits that this clone lacks; CI makes shallow clones."""
    is_shallow = _git("rev-parse", "--is-shallow-repository") == "true"
    return "git fetch --unshallow" if is_shallow else "git fetch"


def _git(*command: str) -> str:
    """Return what git says, or an empty text if it says nothing."""
    asked = ("git", *command)  # arguments of our own
    found = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return found.stdout.strip()


def _without_lock(name: str, files: dvc.api.DVCFileSystem) -> str:
    """Return why a revision has no record of a run: nothing was run, or it isn't committed."""
    missing = f"{name} has no {LOCK}, the record of its run."
    if files.repo.get_rev() == files.repo.scm.get_rev() and Path(LOCK).exists():
        return (
            f"{missing} The file is here but uncommitted: commit it, with data/{LOCK} and metrics/."
        )
    return (
        f"{missing} Check {name} out, run `dvc repro` and commit {LOCK}, data/{LOCK} and metrics/; "
        "then compare again."
    )


def _table(content: bytes, name: str) -> pd.DataFrame:
    header = content.partition(b"\n")[0].decode("utf-8", "replace").strip()
    if not set(COLUMNS) <= set(header.split(",")):
        shown = header[:MAX_SHOWN] if header.isprintable() else "not text"
        raise InputError(
            f"{name} holds no scores: its first line is {shown!r}; expected a CSV with the columns "
            f"{', '.join(COLUMNS)}, as evaluate writes it to {SCORES}. Name such a file, or a "
            "commit, branch or tag."
        )
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            dtype=dict.fromkeys(("id", "split", "slide", "region", tables.PATIENT_COLUMN), "str"),
            keep_default_na=False,  # after the gate, an empty cell means unknown
            na_values={"slide": [""], tables.PATIENT_COLUMN: [""], "logit": ["", "nan"]},
        )
    except ValueError as error:  # pandas' parser errors, and bytes that aren't text
        raise InputError(
            f"the scores of {name} are truncated or damaged: a row doesn't fit the header. {MEND}"
        ) from error
    is_wrong = ~table["label"].isin([0, 1])
    if is_wrong.any() or table["logit"].dtype.kind not in "if":
        raise InputError(
            f"the scores of {name} hold a label other than 0 and 1, or a logit that is not a "
            f"number. {MEND}"
        )
    return tables.with_patients(table)
