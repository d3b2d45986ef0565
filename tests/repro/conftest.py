"""One run of the tiny project's pipeline, of which each file of tests takes a copy."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from helpers.projects import STAGES, make_project, put_back, ran, run


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A project whose pipeline has run once, with that committed; only to be copied.

    One of pytest-xdist's workers makes it for all of them.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder = shared / "first-run"
    with FileLock(shared / "first-run.lock"):
        if not folder.exists():
            made = make_project(Path(tempfile.mkdtemp(dir=shared)))
            assert ran(run(made, "dvc", "repro")) == STAGES
            run(made, "git", "add", "--all")
            run(made, "git", "commit", "--quiet", "--message", "the first run")
            made.rename(folder)
    return folder


@pytest.fixture(scope="module")
def built(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the first run for the tests of one file, with the links to DVC's cache."""
    folder = tmp_path_factory.mktemp("project") / "project"
    run(first_run, "cp", "-a", str(first_run), str(folder))
    return folder


@pytest.fixture
def project(built: Path) -> Iterator[Path]:
    """The built project, put back as it was after the test."""
    yield built
    put_back(built)
