"""Records in libraries.yaml the locked versions of the libraries that stages compute with.

dvc.yaml lists the libraries of each stage; uv.lock holds their versions.
"""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from metastasis.base import libraries, pipeline
from metastasis.base.errors import InputError

PLATFORMS = ("darwin", "linux")
LONG = 1000  # characters in a line, so that each library has one
HEADER = """\
# The locked versions of the libraries that stages compute with. A stage declares its own in
# dvc.yaml, so that it runs again when one of them changes, and only then.
# `make libraries` writes this file from uv.lock: don't edit it. A library that uv.lock has in
# several versions is recorded with that of each Python (py311 is Python 3.11), all in one value, so
# that a change of any of them counts.
"""


def write(lock_path: Path, pipeline_paths: Sequence[Path], libraries_path: Path) -> None:
    """Write the locked version of each library that a stage of the pipelines declares.

    Raises:
        InputError: the lock lacks a library.
    """
    stages = pipeline.stages(pipeline_paths).values()
    declared = (pipeline.libraries(stage, libraries_path.name) for stage in stages)
    names = sorted(set().union(*declared))
    text = yaml.safe_dump(locked(names, lock_path), width=LONG)
    libraries_path.write_text(HEADER + text, encoding="utf-8")
    print(f"{libraries_path}: {len(names)} libraries")


def check(libraries_path: Path, lock_path: Path) -> None:
    """Raise InputError unless the file records the versions of the lock."""
    recorded = libraries.read(libraries_path)
    expected = locked(recorded, lock_path)
    if wrong := [name for name in recorded if recorded[name] != expected[name]]:
        raise InputError(
            f"{libraries_path} records other versions than {lock_path}: "
            + "; ".join(f"{name} {recorded[name]} instead of {expected[name]}" for name in wrong)
            + ". Run `make libraries`."
        )


def locked(names: Iterable[str], lock_path: Path) -> dict[str, str]:
    """Return the locked version of each library, as libraries.yaml records it.

    Raises:
        InputError: the lock can't be read or lacks a library.
    """
    try:
        lock = tomllib.loads(lock_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{lock_path} is not readable ({error}): restore it with `git checkout {lock_path}`."
        ) from None
    accepted = SpecifierSet(lock["requires-python"])
    pythons = [f"3.{minor}" for minor in range(100) if accepted.contains(f"3.{minor}")]
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in lock["package"]:
        packages.setdefault(package["name"], []).append(package)
    if unknown := sorted(set(names) - set(packages)):
        raise InputError(
            f"{lock_path} has no {', '.join(unknown)}, which stages declare in dvc.yaml."
        )
    return {name: _recorded(packages[name], pythons) for name in names}


def _recorded(forks: list[dict[str, Any]], pythons: Sequence[str]) -> str:
    """Return the version that all forks share, or the versions of all Pythons together."""
    if len({fork["version"] for fork in forks}) == 1:
        return str(forks[0]["version"])
    found: dict[str, str] = {}
    for python in pythons:
        by_platform = {name: _version(forks, python, name) for name in PLATFORMS}
        if len(set(by_platform.values())) == 1:
            found[libraries.key(python)] = by_platform[PLATFORMS[0]]
        else:
            found |= {libraries.key(python, name): by_platform[name] for name in PLATFORMS}
    return libraries.together(found)


def _version(forks: list[dict[str, Any]], python: str, platform: str) -> str:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
    }
    return next(
        (
            str(fork["version"])
            for fork in forks
            if any(Marker(text).evaluate(environment) for text in fork["resolution-markers"])
        ),
        "none",
    )
