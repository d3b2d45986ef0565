"""Tests of `doctor.project` in small repositories with real git and DVC."""

import errno
import shutil
from pathlib import Path

import pytest

from helpers.projects import run
from metastasis import __main__
from metastasis.doctor import machine, project
from metastasis.doctor.findings import Finding


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a pipeline of one stage, committed and not yet run."""
    for name, text in (
        (
            "dvc.yaml",
            "stages:\n  make: {cmd: cp params.yaml out, deps: [params.yaml], outs: [out]}\n",
        ),
        ("params.yaml", "a: 1\n"),
        ("libraries.yaml", "{}\n"),
    ):
        (tmp_path / name).write_text(text)
    run(tmp_path, "git", "init", "--quiet")
    run(tmp_path, "dvc", "init", "--quiet")
    run(tmp_path, "dvc", "config", "cache.type", "hardlink,symlink")
    run(tmp_path, "git", "add", "--all")
    run(tmp_path, "git", "commit", "--quiet", "--message", "the project")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examined(tree: Path) -> dict[str, Finding]:
    return {each.name: each for each in project.examine(tree, tree)}


def test_a_project_is_found_from_a_folder_in_it_and_nowhere_else(tree: Path) -> None:
    (tree / "src/deep").mkdir(parents=True)
    assert project.find(tree / "src/deep") == tree
    (tree / "libraries.yaml").unlink()
    assert project.find(tree) is None


def test_what_has_run_what_changed_and_the_link_in_use_are_said(tree: Path) -> None:
    found = examined(tree)
    assert found["stages"].found == "none has run yet: `make repro` runs them"
    assert found["DVC's cache"].found == "none yet; it prefers hardlink, symlink"
    commit = run(tree, "git", "rev-parse", "--short=12", "HEAD").stdout.strip()
    assert found["git"].found.endswith(f"; commit {commit}, nothing changed")
    run(tree, "dvc", "repro")
    found = examined(tree)
    assert found["stages"].found == "up to date"
    assert "uses hardlink (usable: " in found["DVC's cache"].found
    (tree / "params.yaml").write_text("a: 2\n")
    found = examined(tree)
    assert found["stages"].found == "changed since they ran: make"
    assert "files changed" in found["git"].found
    assert not any(each.advice for each in found.values())


def test_a_cache_that_can_only_copy_is_a_problem(tree: Path) -> None:
    run(tree, "dvc", "config", "cache.type", "copy")
    run(tree, "dvc", "repro")
    found = examined(tree)["DVC's cache"]
    assert "uses copy" in found.found
    assert "takes its space twice" in found.advice


def test_the_link_in_use_is_the_first_preferred_one_that_works(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "DVC version: 3.1\nCache types: symlink\nCache directory: nfs on there"
    monkeypatch.setattr(project, "get_dvc_info", lambda: told)
    found = examined(tree)["DVC's cache"]
    assert found.found == "nfs on there; uses symlink (usable: symlink)"
    assert not found.advice


def test_broken_settings_of_dvc_and_a_missing_history_are_problems_and_no_crash(
    tree: Path,
) -> None:
    (tree / ".dvc/config").write_text("[core]\n    analytics = perhaps\n")
    shutil.rmtree(tree / ".git")
    found = examined(tree)
    assert "git checkout .dvc/config" in found["DVC"].advice
    assert "not a git repository" in found["git"].found
    assert "clone the project" in found["git"].advice


def test_a_full_disk_is_a_problem(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "NEEDED_DISK", 10**18)
    assert "Free some space" in examined(tree)["disk"].advice


def test_outside_a_project_the_command_ends_well_in_one_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "LOOK", "print('[]')")
    monkeypatch.setattr(machine, "NEEDED_MEMORY", 10**18)
    assert __main__.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert [line[:9].strip() for line in lines if line[:1] != " "] == [
        "Python", "libraries", "extras", "system", "processor", "memory", "GPU", "disk",
        "project", "problems",
    ]  # fmt: skip
    text = " ".join(" ".join(lines).split())
    assert "-> The pipeline needs 2 GiB" in text
    assert "problems 1, each marked with ->" in text


def test_a_value_that_dvc_cannot_read_is_shown_by_its_error_and_not_by_its_farewell(
    tree: Path,
) -> None:
    run(tree, "dvc", "repro")
    (tree / "dvc.yaml").write_text("stages: {make: {cmd: echo, deps: ['${nowhere}']}}\n")
    stages = examined(tree)["stages"]
    assert stages.found.startswith("ERROR: failed to parse 'stages.make.deps'")
    assert "make check" in stages.advice


def test_a_cache_that_cannot_be_written_keeps_the_other_facts(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only() -> str:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(project, "get_dvc_info", read_only)
    found = examined(tree)
    assert "Read-only file system" in found["DVC"].found
    assert "writable" in found["DVC"].advice
    assert found["stages"].found.startswith("none has run yet")
