"""Section `data` of params.yaml: where the source and a slide map for it are."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from metastasis.base.params import Section

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SHELL = set('$`"\\\n\r')  # what means something between double quotes
_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def _literal(value: str) -> str:
    """Return a path that DVC takes as it is meant: it knows neither ~ nor $VARIABLE."""
    if _ADDRESS.match(value):
        raise ValueError(
            "should be a folder or a file of this machine, and no address; fetch it, and write "
            "where it is"
        )
    if not (value.startswith("~") or _VARIABLE.search(value)):
        return _quotable(value)
    if Path(value).exists() and _quotable(value):
        return value
    expanded = os.path.expandvars(Path(value).expanduser() if _has_home(value) else value)
    if expanded == value:
        raise ValueError(
            "DVC takes it for a name as it stands, with neither ~ nor $VARIABLE expanded, and the "
            "variable isn't set; write the path in full"
        )
    raise ValueError(
        f"DVC takes it for a name as it stands, with neither ~ nor $VARIABLE expanded; write "
        f"{expanded}"
    )


def _quotable(value: str) -> str:
    """Return the path, if the shell that DVC starts takes it as it stands between quotes."""
    found = sorted(set(value) & _SHELL)
    if found:
        raise ValueError(
            f"holds {' '.join(map(repr, found))}, which the shell that DVC starts would read "
            "otherwise: rename it, or make a link to it"
        )
    return value


def _has_home(value: str) -> bool:
    """Return whether the path begins with ~ or ~user, and there is such a folder."""
    try:
        Path(value).expanduser()
    except RuntimeError:  # no such user
        return False
    return True


LiteralPath = Annotated[str, Field(min_length=1), AfterValidator(_literal)]


class DataParams(Section):
    """Where the data is: both are paths, relative to the folder of dvc.yaml or absolute."""

    source: LiteralPath
    slides: LiteralPath
