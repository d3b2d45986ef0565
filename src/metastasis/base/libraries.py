"""Checks the installed libraries against the versions that libraries.yaml records.

`locking` writes the file from uv.lock.
"""

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from metastasis.base.errors import InputError

PATH = Path(__file__).parents[3] / "libraries.yaml"  # of the tree that this code belongs to


def read(path: Path = PATH) -> dict[str, str]:
    """Return the record of each library: "3.15.1", or what `together` returns.

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
    if other := [name for name, text in recorded.items() if not isinstance(text, str)]:
        raise InputError(
            f"{path} records {', '.join(map(str, other))} in another form than `make libraries` "
            f"writes: restore it with `git checkout {path.name}`."
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


def together(versions: Mapping[str, str]) -> str:
    """Return the record of a library whose version depends on the Python.

    It is "py311 2.4.6, py312 2.5.5", one value: of a mapping, `dvc exp show` would show a column
    for each version. The keys of `versions` are those of `key`.
    """
    return ", ".join(f"{python} {number}" for python, number in versions.items())


def key(python: str, platform: str = "") -> str:
    """Return the key of a version for one Python ("3.11"), or for one Python and platform."""
    return "-".join(filter(None, ("py" + python.replace(".", ""), platform)))


def _for_this_python(recorded: str) -> str | None:
    if " " not in recorded:
        return recorded
    versions = dict(entry.partition(" ")[::2] for entry in recorded.split(", "))
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return versions.get(key(python, sys.platform)) or versions.get(key(python))
