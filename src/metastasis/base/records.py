"""Reads and writes the small JSON files that stages pass on: one frozen model for each file.

The model defines what its file holds.
"""

from pathlib import Path
from typing import TypeVar

import pydantic

from metastasis.base import files
from metastasis.base.errors import InputError


class Record(pydantic.BaseModel):
    """The content of one file; fields that weren't set aren't written."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


RecordType = TypeVar("RecordType", bound=Record)


def write(path: Path, record: Record) -> None:
    """Write `record` with sorted keys; `read` reads it back."""
    files.write_json(path, record.model_dump(exclude_unset=True))


def write_metrics(path: Path, record: Record) -> None:
    """Write `record` in the order of its fields: `dvc exp show` shows its columns in this order."""
    files.write_metrics(path, record.model_dump(exclude_unset=True))


def read(path: Path, model: type[RecordType]) -> RecordType:
    """Return the content of the file at `path`.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: `dvc repro` writes it.") from None
    try:
        return model.model_validate_json(content)
    except pydantic.ValidationError as error:
        found = error.errors()[0]
        place = ".".join(map(str, found["loc"])) or "the whole file"
        raise InputError(
            f"{path} is not in the expected form: {found['msg']} ({place}). Run `dvc repro` with "
            "this version of the project, or restore the file with `dvc checkout`."
        ) from None
