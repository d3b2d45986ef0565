"""The project at a tiny size in its own repository, for tests with real DVC."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from helpers.files import ROOT

LOCKED = ("libraries.yaml", "uv.lock")
COPIED = (
    "dvc.yaml", "params.yaml", *LOCKED, "stages", "src", ".dvc/config", ".dvc/.gitignore",
    ".dvc/plots.html", ".dvcignore", ".gitignore", "models/.gitignore", "plots/.gitignore",
    "reports/.gitignore", "metrics/train/.gitignore",
)  # fmt: skip
TINY = {
    "demo": {"num_slides": 15, "num_patches": 150, "num_test_slides": 3, "num_test_patches": 12},
    "train": {"epochs": 2, "batch_size": 16},
}
STAGES = [
    "check", "demo", "ingest", "validate", "split", "crop", "train@1-0", "score@1-0", "evaluate",
    "explain", "predict", "report",
]  # fmt: skip
AFTER_SPLIT = STAGES[STAGES.index("train@1-0") :]


def run(folder: Path, *command: str, is_ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` and check that it succeeds if `is_ok`; stdout holds all output."""
    result = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    output = result.stdout + result.stderr
    assert (result.returncode == 0) == is_ok, output
    result.stdout = output
    return result


@contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in `folder`, in a process group of its own that the end leaves no part of.

    It hears Ctrl-C even if the tests are a background job of a shell, which is deaf to it with all
    that it starts.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    return {
        # As a user runs it: only the script itself decides whose code it runs.
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **{
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "tester"), ("EMAIL", "tester@example.org"))
        },
    }


def ran(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the stages that a `dvc repro` or `dvc exp run` ran, without their files' names."""
    lines = [line for line in result.stdout.splitlines() if line.startswith("Running stage '")]
    return [line.split("'")[1].split(":")[-1] for line in lines]


def edit(folder: Path, section: str, key: str, value: object) -> None:
    """Change a param of the project."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    assert key in params[section]
    params[section][key] = value
    path.write_text(yaml.safe_dump(params))


def put_back(folder: Path, *targets: str) -> None:
    """Restore the last commit, and from DVC's cache what it tracks, or only the `targets`.

    DVC stages what it writes, so that the index has to go back too.
    """
    run(folder, "git", "reset", "--hard", "--quiet")
    run(folder, "git", "clean", "-fd", "--quiet")
    run(folder, "dvc", "checkout", "--quiet", "--force", *targets)


def make_project(folder: Path) -> Path:
    """Make the project at a tiny size, in its own repository with one commit."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    (folder / "data").mkdir()
    for name in ("data/dvc.yaml", "data/slides.csv", "data/leave-out.csv", "data/no-weights.txt"):
        shutil.copyfile(ROOT / name, folder / name)
    for section, keys in TINY.items():
        for key, value in keys.items():
            edit(folder, section, key, value)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "the project")
    return folder
