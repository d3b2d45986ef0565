"""Tests with real DVC that the code which runs is the code of the tree, wherever that tree is."""

import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.projects import make_project, ran, run

pytestmark = pytest.mark.slow

MODULE = Path("src/metastasis/cropping.py")
MARK = "the edited code runs"


def edit(folder: Path) -> None:
    """Have the module say so when it is imported."""
    first, rest = (folder / MODULE).read_text().split("\n", 1)
    (folder / MODULE).write_text(f'{first}\nprint("{MARK}")\n{rest}')


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", message)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stages up to crop have run, with that committed."""
    folder = make_project(tmp_path_factory.mktemp("tree") / "project")
    run(folder, "dvc", "repro", "crop")
    commit(folder, "the first run")
    return folder


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """A copy of the project's whole folder, as `cp -a` makes one."""
    subprocess.run(["cp", "-a", built, tmp_path / "copy"], check=True)
    return tmp_path / "copy"


def test_a_queued_experiment_runs_the_code_it_was_queued_with(copied: Path) -> None:
    edit(copied)
    run(copied, "dvc", "exp", "run", "--queue", "-n", "edited", "crop")
    run(copied, "git", "checkout", "--quiet", "src")
    run(copied, "dvc", "queue", "start")
    log = run(copied, "dvc", "queue", "logs", "edited", "--follow").stdout
    assert MARK in log
    refs = run(copied, "git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    (recorded,) = (ref for ref in refs if ref.endswith("/edited"))
    assert MARK in run(copied, "git", "show", f"{recorded}:{MODULE}").stdout
    # What the run cache holds for the code as it is, the edited code has not made.
    shutil.rmtree(copied / "data/crops")
    assert MARK not in run(copied, "dvc", "repro", "crop").stdout


def test_the_workspace_may_be_edited_while_a_queued_experiment_waits(copied: Path) -> None:
    run(copied, "dvc", "exp", "run", "--queue", "-n", "plain", "-S", "crop.size=64", "crop")
    edit(copied)
    run(copied, "dvc", "queue", "start")
    log = run(copied, "dvc", "queue", "logs", "plain", "--follow").stdout
    assert "Running stage 'crop'" in log
    assert MARK not in log


def test_an_experiment_in_a_temporary_folder_runs_the_workspaces_edit(copied: Path) -> None:
    edit(copied)
    result = run(copied, "dvc", "exp", "run", "--temp", "-n", "edited", "crop")
    assert MARK in result.stdout


def test_a_worktree_runs_its_own_code(copied: Path, tmp_path: Path) -> None:
    run(copied, "git", "worktree", "add", "--quiet", str(tmp_path / "tree"), "HEAD")
    edit(copied)
    assert MARK not in run(tmp_path / "tree", "dvc", "repro", "crop").stdout
    edit(tmp_path / "tree")
    assert MARK in run(tmp_path / "tree", "dvc", "repro", "crop").stdout


def test_a_copied_and_a_renamed_folder_run_their_own_code(built: Path, copied: Path) -> None:
    edit(copied)
    assert ran(result := run(copied, "dvc", "repro", "crop")) == ["check", "crop"]
    assert MARK in result.stdout
    renamed = copied.rename(copied.parent / "renamed ü folder")
    shutil.rmtree(renamed / "data/crops")
    assert MARK in run(renamed, "dvc", "repro", "--force", "--single-item", "crop").stdout
    assert ran(run(built, "dvc", "repro", "crop")) == []


def test_a_folder_reached_by_a_link_runs_the_code_it_leads_to(copied: Path) -> None:
    edit(copied)
    link = copied.parent / "link"
    link.symlink_to(copied)
    assert MARK in run(link, "dvc", "repro", "crop").stdout


def test_the_processes_that_a_stage_starts_run_the_same_tree(copied: Path) -> None:
    demo = copied / "src/metastasis/demo/demo.py"
    text = demo.read_text()
    line = "    slide = batch.slide\n"
    assert text.count(line) == 1
    demo.write_text(
        text.replace(line, f"{line}    os.write(1, f'drawn by {{__file__}}\\n'.encode())\n")
    )
    drawn = [
        line
        for line in run(copied, "dvc", "repro", "ingest").stdout.splitlines()
        if "drawn" in line
    ]
    assert set(drawn) == {f"drawn by {demo}"}


def test_another_trees_code_on_pythons_path_is_passed_over(copied: Path, built: Path) -> None:
    edit(copied)
    result = run(copied, "env", f"PYTHONPATH={built / 'src'}", "dvc", "repro", "crop")
    assert MARK in result.stdout
