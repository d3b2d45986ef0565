"""Trains and scores a member of the ensemble on this machine, through DVC in a copy of the project.

A worker of the cluster runs it; `sharing_out` hands the members out and collects their outputs.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from metastasis.base import errors, files
from metastasis.base.errors import InputError
from metastasis.cluster import guarding, shipping

NUM_LAST_LINES = 15  # of a log in a message
# What Ray sets for its own workers, and a run outside of Ray hasn't. A GPU is Ray's to choose.
REMOVED = ("RAY_", "OMP_NUM_THREADS", "PYTHONPATH")
STATE = ".state"  # of unfinished training, in the project's folder
PROJECT, MADE = "project", "made"  # the copy of the project, and the cache of its outputs
OWNER_ONLY = 0o700


@dataclass(frozen=True)
class Job:
    """What a machine has to know to train and score a member."""

    key: str  # of the member
    stages: tuple[str, ...]  # of dvc.yaml, in their order
    project: bytes  # an archive of `shipping.project`
    inputs: tuple[str, ...]  # what the stages read of other stages
    cache: Path  # of DVC on the machine that asked


@dataclass(frozen=True)
class Outcome:
    """What came of a job: an archive of files for DVC's cache, or why there is none."""

    key: str
    machine: str
    seconds: float
    objects: bytes = b""
    failure: str = ""


def run(job: Job) -> Outcome:
    """Run the job's stages and return their outputs, as files of DVC's cache.

    The training's state stays until it is done, so that a killed job goes on after its last epoch
    if it is tried again on this machine.
    """
    start = time.monotonic()
    objects, failure = b"", ""
    try:
        objects = _run(job)
    except (InputError, OSError) as error:
        failure = str(error)
        if isinstance(error, OSError) and error.errno in errors.FULL:
            failure += f"; free some space there, in {tempfile.gettempdir()}, and run it again."
    return Outcome(job.key, platform.node(), time.monotonic() - start, objects, failure)


def _run(job: Job) -> bytes:
    home = _home()
    folder = home / f"{job.key}-{shipping.digest(job.project)[:16]}"
    (folder / STATE).mkdir(parents=True, exist_ok=True)
    with files.alone(folder, f"the same member is training there already, in {folder}."):
        _clear(folder)  # of a killed try
        try:
            objects = _outputs(job, folder, home / "cache")
        finally:
            _clear(folder)
        shutil.rmtree(folder)
    return objects


def _clear(folder: Path) -> None:
    """Remove all but the training's state and the log."""
    for name in (PROJECT, MADE):
        shutil.rmtree(folder / name, ignore_errors=True)


def _outputs(job: Job, folder: Path, cache: Path) -> bytes:
    """Run the job's stages in a copy of the project below `folder`, and return what they made."""
    project, made, log = folder / PROJECT, folder / MADE, folder / "log.txt"
    for new in (project, made):
        new.mkdir()
    shipping.unpack(job.project, project)
    (project / STATE).symlink_to(folder / STATE)
    _get_inputs(job, project, cache, log)
    # Into a cache of its own: it then holds what these stages made, and nothing else.
    _use_cache(project, made)
    if code := _dvc(project, log, "repro", "--single-item", *job.stages):
        raise InputError(f"`dvc repro` ended with code {code}:\n{_last_lines(log)}")
    return shipping.archive((path for path in made.rglob("*") if path.is_file()), made)


def _home() -> Path:
    """Return this user's folder for members on this machine."""
    folder = Path(tempfile.gettempdir()) / f"metastasis-{os.getuid()}"
    folder.mkdir(mode=OWNER_ONLY, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder} belongs to another user; remove it, or set TMPDIR.")
    return folder


def _get_inputs(job: Job, project: Path, cache: Path, log: Path) -> None:
    """Check the inputs out of the shared cache if this machine sees it, or pull them.

    Raises:
        InputError: neither has them.
    """
    if job.cache.is_dir():
        _use_cache(project, job.cache)
        if not _dvc(project, log, "checkout", *job.inputs):
            return
    cache.mkdir(exist_ok=True)
    _use_cache(project, cache)
    if _dvc(project, log, "pull", *job.inputs):
        raise InputError(
            f"it can't get {' and '.join(job.inputs)}: DVC's cache at {job.cache} isn't seen from "
            "there or lacks them, and so does the default remote in .dvc/config. Run "
            f"`make push` here (docs/sharing.md).\n{_last_lines(log)}"
        )


def _use_cache(project: Path, cache: Path) -> None:
    settings = f"[core]\n    no_scm = true\n[cache]\n    dir = {cache}\n"
    (project / ".dvc/config.local").write_text(settings, encoding="utf-8")


def _dvc(project: Path, log: Path, *arguments: str) -> int:
    """Run DVC and return its exit code; a process that is killed leaves nothing of it running."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(REMOVED)}
    # The stages' `python` is the one that this worker runs.
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, guarding.__file__, str(log), sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as guard:
        # Waits until the command is done; `communicate` would close stdin, which ends it.
        code = guard.stdout.read() if guard.stdout else b""
    return int(code or 1)


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-NUM_LAST_LINES:])
