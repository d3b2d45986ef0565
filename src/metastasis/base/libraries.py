"""Checks the installed libraries against the versions that libraries.yaml records.

`locking` writes the file from uv.lock.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from metastasis.base.errors import InputError

PATH = Path(__file__).parents[3] / "libraries.yaml"  # of the tree that this code belongs to

Recorded = str | dict[str, str]  # one version, or one for each Python and, if need be, platform


def read(path: Path = PATH) -> dict[str, Recorded]:
    """Return the recorded version of each library.

    Raises:
        InputError: the file is missing, or `make libraries` didn't write it so.
    """
    try:
        recorded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: restore it with `git checkout {path.name}`."
        ) from None
    except yaml.YAMLError as error:
        raise InputError(
            f"{path} is not readable as YAML ({error}): restore it with `git checkout {path.name}`."
        ) from None
    if not isinstance(recorded, dict):
        raise InputError(
            f"{path} records no libraries: restore it with `git checkout {path.name}`."
        )
    return recorded


def require_installed(path: Path = PATH) -> None:
    """Raise InputError unless every library is installed in the version that the file records."""
    wrong = [
        f"{name} {found or '(none)'} is installed, {path.name} says {expected}"
        for name, recorded in read(path).items()
        if (found := installed(name)) != (expected := _for_this_python(recorded))
    ]
    if wrong:
        raise InputError("; ".join(wrong) + ": run `make setup`.")


def installed(name: str) -> str | None:
    """Return the installed version of a library, or None if it isn't installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def key(python: str, platform: str = "") -> str:
    """Return the key of a version for one Python ("3.11"), or for one Python and platform.

    It holds no dot, because DVC would read a dot as a nested key.
    """
    return "-".join(filter(None, ("py" + python.replace(".", ""), platform)))


def _for_this_python(recorded: Recorded) -> str | None:
    if not isinstance(recorded, dict):
        return str(recorded)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return recorded.get(key(python, sys.platform)) or recorded.get(key(python))
