"""Examines the environment: Python, the libraries that the project records, and the extras."""

import platform
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from metastasis.base import libraries
from metastasis.base.errors import InputError
from metastasis.doctor.findings import Finding

PACKAGE = "metastasis"
SHOWN = ("tensorflow", "keras", "numpy", "dvc")  # where nothing records the versions
SETUP = "Run `make setup` in the project's folder."


def examine(project: Path | None) -> list[Finding]:
    """Return the findings about the environment; `project` is the project's folder, if any."""
    return [examine_python(), examine_libraries(project), examine_extras()]


def examine_python() -> Finding:
    """Return the Python, and whether the package accepts it."""
    accepted = _metadata("Requires-Python")
    number = platform.python_version()
    is_virtual = sys.prefix != sys.base_prefix
    where = "in a virtual environment" if is_virtual else "outside a virtual environment"
    return Finding(
        "Python",
        f"{number}, {where}",
        ""
        if not accepted or SpecifierSet(accepted).contains(number)
        else f"The project needs {accepted}. {SETUP}",
    )


def examine_libraries(project: Path | None) -> Finding:
    """Return the main libraries, and whether all that the project records are as recorded."""
    versions = [f"{name} {libraries.installed(name) or '(none)'}" for name in SHOWN]
    shown = ", ".join(versions)
    if project is None:
        return Finding("libraries", f"{shown}\nno project records their versions here")
    path = project / libraries.PATH.name
    try:
        libraries.require_installed(path)
    except InputError as error:
        return Finding("libraries", shown, str(error))
    return Finding(
        "libraries", f"{shown}\nall {len(libraries.read(path))} are the recorded versions"
    )


def examine_extras() -> Finding:
    """Return which of the package's optional libraries are installed."""
    found: dict[str, str | None] = {}
    needed = [Requirement(text) for text in _requirements()]
    always = {each.name for each in needed if "extra" not in str(each.marker or "")}
    for name in {each.name for each in needed} - always:  # tensorflow[and-cuda] is seen at the GPU
        found[name] = libraries.installed(name)
    there = [f"{name} {number}" for name, number in sorted(found.items()) if number]
    missing = [name for name, number in sorted(found.items()) if not number]
    lines = [", ".join(there) or "none installed"]
    if missing:
        lines.append(f"not installed: {', '.join(missing)}")
    return Finding("extras", "; ".join(lines))


def _requirements() -> list[str]:
    try:
        return metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:  # its folder is on Python's path
        return []


def _metadata(name: str) -> str:
    try:
        return metadata.metadata(PACKAGE)[name]
    except metadata.PackageNotFoundError:
        return ""
