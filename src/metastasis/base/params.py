"""Reads one section of params.yaml into its model, and checks paths among the values.

Each stage defines the keys of its section in its own params module.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from metastasis.base.errors import InputError

PARAMS_PATH = Path("params.yaml")  # the name that DVC expects, in the folder of dvc.yaml
_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SHELL = set('$`"\\\n\r')  # characters with a meaning between double quotes
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


class Section(BaseModel):
    """One section of params.yaml: frozen, strictly typed, no unknown keys and no defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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


def _is_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "should be a name of lower-case letters, digits, - and _, since it names a stage and "
            "files"
        )
    return name


def _has_home(value: str) -> bool:
    """Return whether the path begins with ~ or ~user, and that folder exists."""
    try:
        Path(value).expanduser()
    except RuntimeError:  # the user doesn't exist
        return False
    return True


Seed = Annotated[int, Field(ge=0, lt=2**32)]  # the range that NumPy's and Keras's generators accept
# A path that stands between double quotes in a stage's command.
LiteralPath = Annotated[str, Field(min_length=1), AfterValidator(_literal)]

# A key that names a stage and files. In lower case, as some file systems don't distinguish cases;
# DVC refuses most other characters.
Name = Annotated[str, AfterValidator(_is_name)]

# From whole cells in a pixel to a tenth of what microscopes resolve: a value outside is a slip.
MicrometresPerPixel = Annotated[float, Field(ge=0.02, le=20)]

# `train.weights` if a network starts from random ones: a file in git, since DVC has no optional
# dependency.
NO_WEIGHTS = "data/no-weights.txt"

# Labelled patches that the user leaves out (id, reason): a file in git, since DVC has no optional
# dependency; a header alone leaves out none. No param: `dvc exp show` has a column for each.
LEAVE_OUT = "data/leave-out.csv"

SectionType = TypeVar("SectionType", bound=Section)


def read(name: str, model: type[SectionType], path: Path = PARAMS_PATH) -> SectionType:
    """Return section `name` of the params file as a checked `model`.

    Raises:
        InputError: the file can't be read, the section is missing, or a key or value is wrong; the
            message names each key, what was found and what is accepted.
    """
    return _checked(name, _section(name, path), model, path)


def read_some(name: str, model: type[SectionType], path: Path = PARAMS_PATH) -> SectionType:
    """Return only those keys of section `name` that `model` has; a stage then declares no others.

    Raises:
        InputError: as by `read`.
    """
    section = _section(name, path)
    chosen = {key: value for key, value in section.items() if key in model.model_fields}
    return _checked(name, chosen, model, path)


def _section(name: str, path: Path) -> dict[str, Any]:
    sections = load(path)
    if name not in sections:
        raise InputError(f"{path}: section '{name}' is missing; found: {_listed(sections)}.")
    section = sections[name]
    if not isinstance(section, dict):
        raise InputError(f"{path}: section '{name}' holds {section!r}; expected keys and values.")
    return section


def _checked(
    name: str, section: dict[str, Any], model: type[SectionType], path: Path
) -> SectionType:
    try:
        return model.model_validate(section)
    except ValidationError as error:
        lines = [_explain(name, detail, model) for detail in error.errors(include_url=False)]
        raise InputError(f"{path}: " + "\n".join(lines)) from None


def check_names(names: list[str], path: Path = PARAMS_PATH) -> None:
    """Raise InputError if the params file has a section that no stage in `names` reads."""
    for section in load(path):
        if section not in names:
            raise InputError(
                f"{path}: section '{section}' is unknown.{_nearest(section, names)} "
                f"Sections: {_listed(names)}."
            )


def load(path: Path = PARAMS_PATH) -> dict[str, Any]:
    """Return every section of the params file by its name, unchecked.

    Raises:
        InputError: the file can't be read.
    """
    try:
        # Read it as DVC does: PyYAML's YAML 1.1 reads 1e-05 as text and 010 as 8.
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: run in the folder of dvc.yaml, or restore it with "
            f"`git checkout {path}`."
        ) from None
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        raise InputError(f"{path} is not readable as YAML: {error.problem}{line}.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as YAML: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no sections; restore it with `git checkout {path}`.")
    return {str(name): section for name, section in content.items()}


def _explain(name: str, detail: ErrorDetails, model: type[Section]) -> str:
    key = ".".join([name, *map(str, detail["loc"])])
    if detail["type"] == "extra_forbidden":
        names = list(model.model_fields)
        nearest = _nearest(str(detail["loc"][-1]), names)
        return f"{key} is unknown.{nearest} Keys of '{name}': {_listed(names)}."
    if detail["type"] == "missing":
        return f"{key} is missing; params.yaml is the only place of defaults."
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    found = "empty (null)" if detail["input"] is None else repr(detail["input"])
    return f"{key} is {found}: {message}."


def _nearest(name: str, names: list[str]) -> str:
    matches = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def _listed(names: list[str] | Mapping[str, Any]) -> str:
    return ", ".join(names)
