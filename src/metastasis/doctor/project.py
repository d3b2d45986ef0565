"""Examines the project's folder: disk, git, and DVC, by DVC's own means.

`dvc doctor` measures which kinds of links its cache can use; the project's settings say which it
prefers.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from dvc.config import Config, ConfigError
from dvc.exceptions import DvcException
from dvc.info import get_dvc_info

from metastasis.doctor.findings import Finding
from metastasis.results import numbers

GB = 10**9
NEEDED_DISK = 5 * GB  # the environment takes 2 GB, and Kaggle's data 7 GB
MARKS = ("dvc.yaml", "libraries.yaml")  # of a project's folder
SECONDS = 30  # for git and for `dvc status`, which takes longer where many files changed
LINKS = ["reflink", "copy"]  # what DVC prefers if it isn't told
SHOWN = 4  # changed stages


def find(folder: Path) -> Path | None:
    """Return the project's folder that is `folder` or holds it, if there is one."""
    places = [folder, *folder.parents]
    return next((at for at in places if all((at / name).is_file() for name in MARKS)), None)


def examine(folder: Path, project: Path | None) -> list[Finding]:
    """Return the findings about the disk of `folder`, and about the project."""
    if project is None:
        nowhere = f"none: {' and '.join(MARKS)} are neither here nor in a folder above"
        return [_disk(folder), Finding("project", nowhere)]
    return [_disk(project), _git(project), *_dvc(project)]


def _disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    return Finding(
        "disk",
        f"{usage.free / GB:.0f} of {usage.total / GB:.0f} GB free",
        "Free some space: the environment, the data and DVC's cache need 5 GB and more."
        if usage.free < NEEDED_DISK
        else "",
    )


def _git(project: Path) -> Finding:
    try:
        commit = _said(project, "git", "rev-parse", "--short=12", "HEAD")
        changed = _said(project, "git", "status", "--porcelain").splitlines()
        version = _said(project, "git", "--version").removeprefix("git version ")
    except FileNotFoundError:
        return Finding("git", "not installed", "Install git: experiments and comparisons need it.")
    except subprocess.TimeoutExpired:
        return Finding("git", f"no answer within {SECONDS} s", "Run `git status` by hand.")
    except subprocess.CalledProcessError as error:
        return Finding(
            "git",
            error.stderr.strip().partition("\n")[0] or "no commit here",
            "`make repro` works without git; for experiments and comparisons, clone the project.",
        )
    state = f"{numbers.count(len(changed), 'file')} changed" if changed else "nothing changed"
    return Finding("git", f"{version}; commit {commit}, {state}")


def _dvc(project: Path) -> list[Finding]:
    try:
        told = get_dvc_info()
        config = Config.from_cwd() if (project / ".dvc").is_dir() else Config()
    except (DvcException, ConfigError) as error:
        return [Finding("DVC", f"{error}", "Restore its settings: `git checkout .dvc/config`.")]
    except OSError as error:  # DVC tries its kinds of links
        advice = "Make the project's folder and DVC's cache writable."
        return [Finding("DVC", f"{error}", advice), _state(project)]
    facts = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
    return [
        Finding("DVC", f"{facts['DVC version']}; remotes: {facts.get('Remotes', 'None')}"),
        _links(facts, config),
        _state(project),
    ]


def _links(facts: dict[str, str], config: Config) -> Finding:
    """Return how DVC puts outputs into the folder: the first preferred link that works."""
    preferred = config["cache"].get("type") or LINKS
    if "Cache directory" not in facts:
        return Finding("DVC's cache", f"none yet; it prefers {', '.join(preferred)}")
    usable = facts["Cache types"].split(", ")
    used = next((link for link in preferred if link in usable), "copy")
    found = f"{facts['Cache directory']}; uses {used} (usable: {', '.join(usable)})"
    return Finding(
        "DVC's cache",
        found,
        "Every output takes its space twice: put project and cache on one file system with hard "
        "links (`dvc cache dir`)."
        if used == "copy"
        else "",
    )


def _state(project: Path) -> Finding:
    """Return which stages would run, by `dvc status`."""
    if not (project / "dvc.lock").is_file():
        return Finding("stages", "none has run yet: `make repro` runs them")
    try:
        text = _said(project, sys.executable, "-m", "dvc", "status", "--json")
    except subprocess.TimeoutExpired:
        return Finding("stages", f"not known within {SECONDS} s: `dvc status` tells")
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["dvc status failed"]
        first = next((line for line in lines if line.startswith("ERROR")), lines[0])
        return Finding(
            "stages", first, "Run `make check`: it says which value is wrong, if one is."
        )
    changed = list(json.loads(text.splitlines()[-1]))
    if not changed:
        return Finding("stages", "up to date")
    rest = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return Finding("stages", f"changed since they ran: {', '.join(changed[:SHOWN])}{rest}")


def _said(folder: Path, *command: str) -> str:
    """Return what a command prints in `folder`."""
    result = subprocess.run(  # noqa: S603  # git or DVC, with arguments of our own
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return result.stdout.strip()
