"""Tests with real DVC of an ensemble's members: named, stopped, no longer named, and of folds."""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.projects import edit, ran, run, running

pytestmark = pytest.mark.slow


def lock_of(text: str, *names: str) -> dict[str, Any]:
    """What dvc.lock records of these stages."""
    recorded = yaml.safe_load(text)["stages"]
    return {name: recorded[name] for name in names}


def test_another_seed_trains_alone_and_leaves_nothing_when_it_is_no_longer_named(
    project: Path,
) -> None:
    edit(project, "train", "seeds", [1, 2])
    others = ["evaluate", "explain", "predict", "report"]
    assert ran(run(project, "dvc", "repro")) == ["check", "train@2-0", "score@2-0", *others]
    assert ran(run(project, "dvc", "repro")) == []
    metrics = json.loads((project / "metrics/evaluate.json").read_text())
    assert metrics["members"]["number"] == 2
    drawn = run(project, "dvc", "dag", "--mermaid", "--collapse-foreach-matrix").stdout
    assert '["train"]' in drawn
    assert "@" not in drawn
    assert "seed 2<" in (project / "reports/index.html").read_text()
    run(project, "git", "checkout", "HEAD", "--", "params.yaml")
    result = run(project, "dvc", "repro")
    assert ran(result) == ["check"]
    assert "removed the outputs of member 2-0" in result.stdout
    found = [path.name for folder in ("data", "models") for path in members_in(project / folder)]
    assert sorted(found) == ["1-0.csv", "1-0.json", "1-0.keras"]
    assert "up to date" in run(project, "dvc", "status").stdout
    # DVC keeps its record of the other member; that of the stages here is as it was.
    now, before = (project / "dvc.lock").read_text(), run(project, "git", "show", "HEAD:dvc.lock")
    kept = ["train@1-0", "score@1-0", *others]
    assert lock_of(now, *kept) == lock_of(before.stdout, *kept)


def test_a_checkout_of_a_revision_with_fewer_members_leaves_none_of_the_others(
    project: Path,
) -> None:
    run(project, "git", "checkout", "--quiet", "-b", "two-seeds")
    edit(project, "train", "seeds", [1, 2])
    run(project, "dvc", "repro")
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "two seeds")
    run(project, "git", "checkout", "--quiet", "-")
    assert [path.name for path in members_in(project / "data")] == ["1-0.csv", "2-0.csv"]
    result = run(project, "dvc", "repro")
    assert not {name for name in ran(result) if name.startswith(("train", "score"))}
    assert "removed the outputs of member 2-0" in result.stdout
    found = [path.name for folder in ("data", "models") for path in members_in(project / folder)]
    assert sorted(found) == ["1-0.csv", "1-0.json", "1-0.keras"]
    assert run(project, "git", "diff", "HEAD", "--name-only").stdout == ""
    assert ran(run(project, "dvc", "repro")) == []


def test_a_killed_ensemble_goes_on_where_it_was(project: Path) -> None:
    edit(project, "train", "epochs", 8)  # time enough to be killed in the midst of it
    edit(project, "train", "seeds", [2, 3])
    states = project / ".state/train/3-0"
    with running(project, "dvc", "repro") as process:
        while not list(states.glob("*.npz")):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    result = run(project, "dvc", "repro")
    others = ["evaluate", "explain", "predict", "report"]
    trained = ["train@3-0", "score@3-0"]
    assert [name for name in ran(result) if name != "score@2-0"] == [*trained, *others]
    assert re.search(r"train: resumes after epoch \d+", result.stdout)
    assert json.loads((project / "metrics/evaluate.json").read_text())["members"]["number"] == 2


def members_in(folder: Path) -> list[Path]:
    return sorted((folder / "members").iterdir())


def test_with_folds_every_labelled_patch_outside_test_is_scored_out_of_fold(project: Path) -> None:
    sets = ("-S", "split.folds=3", "-S", "train.folds=[0,1,2]")
    result = run(project, "dvc", "exp", "run", *sets)
    members = [f"{stage}@1-{fold}" for stage in ("train", "score") for fold in range(3)]
    assert sorted(ran(result)) == sorted(
        ["check", "split", *members, "evaluate", "explain", "predict", "report"]
    )
    assert "validation is out-of-fold" in result.stdout
    split = [row.split(",") for row in (project / "data/split.csv").read_text().splitlines()]
    scores = [row.split(",") for row in (project / "data/scores.csv").read_text().splitlines()]
    assert [row[0] for row in scores] == [row[0] for row in split]
    assert {row[1] for row in scores[1:]} == {"test", "validation"}
    assert "Validation is out-of-fold" in (project / "reports/index.html").read_text()
    assert ran(run(project, "dvc", "repro")) == []
