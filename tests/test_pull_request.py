"""Tests of what a pull request is told, and that its workflows are as careful as they should be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.files import ROOT
from helpers.sides import make, write_scores

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MARK = "<!-- compare -->"


def report(base: Path, head: Path, path: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "scripts/pull_request.py", base, head, path]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Base and head of which the second has a worse model."""
    sides: list[Path] = []
    for name, apart, area in (("base, old", 2.6, 0.94), ("head", 1.8, 0.86)):
        metrics = {"evaluate.json": {"test": {"roc_auc": area}}}
        sides.append(make(tmp_path / name, metrics, {"train": {"seed": len(sides)}}))
        write_scores(sides[-1] / "data/scores.csv", apart)
    return sides[0], sides[1]


def test_the_report_holds_the_mark_the_verdict_and_both_tables(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    result = report(*folders, tmp_path / "report.md")
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "report.md").read_text()
    assert text.startswith(f"{MARK}\n")
    assert "\n**regressed**: test AUC 0.9" in text
    assert "\n| evaluate.json: test.roc_auc | 0.94 | 0.86 | -0.08 |\n" in text
    assert "\n| train.seed | 0 | 1 | +1 |\n" in text
    assert str(tmp_path) not in text


def test_another_split_has_no_verdict_and_still_a_report(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    scores = folders[1] / "data/scores.csv"
    scores.write_text(scores.read_text().replace("\n0,test,", "\nother,test,"))
    assert report(*folders, tmp_path / "report.md").returncode == 0
    text = (tmp_path / "report.md").read_text()
    assert "**no verdict**: the test sets differ" in text
    assert "| train.seed | 0 | 1 | +1 |" in text


def test_a_folder_that_was_not_reproduced_is_told_without_a_traceback(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    result = report(folders[0], tmp_path / "nowhere", tmp_path / "report.md")
    assert result.returncode == 1
    assert result.stderr.startswith("pull_request.py: ")
    assert "holds no metrics; run `dvc repro`" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_may_only_read_but_for_the_one_that_comments(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads `on` as true
    assert "secrets." not in path.read_text()
    writing = {name: job for name, job in workflow["jobs"].items() if "permissions" in job}
    assert set(writing) <= {"comment"}
    for job in writing.values():
        assert job["permissions"] == {"pull-requests": "write"}
        # Nothing that the pull request could have written runs beside this permission.
        assert not any("checkout" in step.get("uses", "") for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_that_others_write_is_pasted_into_a_script(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    pasted = re.findall(r"\$\{\{ *(.*?) *\}\}", "\n".join(scripts))
    assert set(pasted) <= {"matrix.target"}


def test_the_comment_is_found_again_by_the_mark_of_the_report() -> None:
    assert f'startswith("{MARK}")' in (ROOT / ".github/workflows/compare.yml").read_text()
    assert f'MARK = "{MARK}"' in (ROOT / "scripts/pull_request.py").read_text()
