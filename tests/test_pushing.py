"""Tests that a push says what the remote has, and lacks, with real DVC and a folder as remote."""

import shutil
from pathlib import Path

import pytest

from helpers.projects import run
from metastasis import pushing
from metastasis.base.errors import InputError

pytestmark = pytest.mark.medium


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a folder of two files and a file, in DVC's cache, and an empty remote."""
    folder = tmp_path / "project"
    (folder / "both").mkdir(parents=True)
    for name in ("both/a", "both/b", "alone"):
        (folder / name).write_text(name)
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")
    run(folder, "dvc", "add", "--quiet", "both", "alone")
    run(folder, "dvc", "remote", "add", "--default", "--quiet", "storage", str(tmp_path / "remote"))
    monkeypatch.chdir(folder)
    return folder


def stored(remote: Path) -> list[str]:
    """What the files in the remote hold."""
    return sorted(path.read_text() for path in remote.rglob("*") if path.is_file())


def test_all_files_are_pushed_and_counted(project: Path) -> None:
    assert pushing.push() == (4, 0)  # with the list of the folder
    assert len(stored(project.parent / "remote")) == 4


def test_what_is_nowhere_is_told_and_no_list_hides_it(project: Path) -> None:
    """DVC takes the list of a folder in the remote as proof that its files are there."""
    cache, kept = project / ".dvc/cache", project.parent / "kept"
    shutil.copytree(cache, kept)
    for path in [path for path in cache.rglob("*") if path.is_file()]:
        if path.read_text() in ("both/b", "alone"):
            path.unlink()
    with pytest.raises(
        InputError, match=r"2 of 4 files of dvc\.lock are neither in the remote nor"
    ):
        pushing.push()
    assert stored(project.parent / "remote") == ["both/a"]
    shutil.copytree(kept, cache, dirs_exist_ok=True)
    assert pushing.push() == (4, 0)
    assert len(stored(project.parent / "remote")) == 4


def test_what_dvc_is_told_to_keep_back_stays_here(project: Path) -> None:
    """Such as patients' data, in a repository whose remote others read."""
    private = project.parent / "private"
    run(project, "dvc", "remote", "add", "--quiet", "own", str(private))
    for name, key in (("alone", "push: false"), ("other", "remote: own")):
        (project / name).write_text(name)
        run(project, "dvc", "add", "--quiet", name)
        with (project / f"{name}.dvc").open("a") as file:
            file.write(f"  {key}\n")
    assert pushing.push() == (3, 0)
    (folder,) = (text for text in stored(project.parent / "remote") if text.startswith("["))
    assert stored(project.parent / "remote") == sorted(["both/a", "both/b", folder])
    assert stored(private) == ["other"]


def test_what_was_imported_is_its_owners_to_push(project: Path) -> None:
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "two outputs")
    taker = project.parent / "taker"
    taker.mkdir()
    run(taker, "git", "init", "--quiet")
    run(taker, "dvc", "init", "--quiet")
    run(taker, "dvc", "import", "--quiet", str(project), "alone")
    (taker / "mine").write_text("mine")
    run(taker, "dvc", "add", "--quiet", "mine")
    run(taker, "dvc", "remote", "add", "--default", "--quiet", "storage", str(taker / "remote"))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(taker)
        assert pushing.push() == (1, 0)
    assert stored(taker / "remote") == ["mine"]
