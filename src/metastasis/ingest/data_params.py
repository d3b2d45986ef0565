"""Section `data` of params.yaml: the paths of the source and of a slide map for it."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from metastasis.base.params import Section

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SHELL = set('$`"\\\n\r')  # characters with a meaning between double quotes
_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def _literal(value: str) -> str:
    """Return the path if DVC reads it as intended: DVC expands neither ~ nor $VARIABLE."""
    if _ADDRESS.match(value):
        raise ValueError(
            "should be a folder or a file on this machine, not an address; fetch it and write "
            "its path"
        )
    if not (value.startswith("~") or _VARIABLE.search(value)):
        return _quotable(value)
    if Path(value).exists() and _quotable(value):
        return value
    expanded = os.path.expandvars(Path(value).expanduser() if _has_home(value) else value)
    if expanded == value:
        raise ValueError(
            "DVC reads it literally and expands neither ~ nor $VARIABLE, and the variable isn't "
            "set; write the path in full"
        )
    raise ValueError(
        f"DVC reads it literally and expands neither ~ nor $VARIABLE; write {expanded}"
    )


def _quotable(value: str) -> str:
    """Return the path if the shell that DVC starts reads it literally between quotes."""
    found = sorted(set(value) & _SHELL)
    if found:
        raise ValueError(
            f"holds {' '.join(map(repr, found))}, which the shell that DVC starts would "
            "interpret: rename it, or make a link to it"
        )
    return value


def _has_home(value: str) -> bool:
    """Return whether the path begins with ~ or ~user, and that folder exists."""
    try:
        Path(value).expanduser()
    except RuntimeError:  # the user doesn't exist
        return False
    return True


LiteralPath = Annotated[str, Field(min_length=1), AfterValidator(_literal)]


class DataParams(Section):
    """The paths of the data, relative to the folder of dvc.yaml or absolute."""

    source: LiteralPath
    slides: LiteralPath
