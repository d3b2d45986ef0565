"""Tests with real DVC of experiments: queued ones, and those that turn on what is off."""

import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from helpers.projects import AFTER_SPLIT, edit, ran, run
from metastasis import model_folder

pytestmark = pytest.mark.slow


def test_queued_experiments_run_and_show(project: Path) -> None:
    rates = "train.learning_rate=1e-3,1e-4"
    run(project, "dvc", "exp", "run", "--queue", "-n", "q", "-S", rates, "train@1-0")
    run(project, "dvc", "queue", "start")
    for name in ("q-1", "q-2"):
        # The worker takes the next one up a moment after the last.
        for _ in range(60):
            if not re.search(rf"{name}\b.*Queued", run(project, "dvc", "queue", "status").stdout):
                break
            time.sleep(1)
        run(project, "dvc", "queue", "logs", name, "--follow")
    status = run(project, "dvc", "queue", "status").stdout
    assert status.count("Success") == 2, status
    shown = run(project, "dvc", "exp", "show", "--csv", "--no-pager").stdout
    assert "q-1" in shown
    assert "q-2" in shown


def test_an_export_is_written_only_when_asked_and_predicts(project: Path) -> None:
    before = (project / "data/submission.csv").read_text().splitlines()
    edit(project, "export", "formats", {"openvino": 32})
    assert ran(run(project, "dvc", "repro")) == ["check", "export@openvino", "report"]
    measured = json.loads((project / "metrics/export/openvino.json").read_text())
    assert measured["bits"] == 32
    assert model_folder.read(project / "models").network_for("openvino").bits == 32
    edit(project, "predict", "network", "models/exported/openvino")
    assert ran(run(project, "dvc", "repro")) == ["check", "predict", "report"]
    after = (project / "data/submission.csv").read_text().splitlines()
    ids, probabilities = zip(*(row.split(",") for row in after[1:]), strict=True)
    assert list(ids) == [row.split(",")[0] for row in before[1:]]
    expected = [float(row.split(",")[1]) for row in before[1:]]
    assert np.array(probabilities, float) == pytest.approx(expected, abs=0.02)  # in bfloat16
    assert ran(run(project, "dvc", "repro")) == []


def test_a_probe_is_fitted_for_each_network_and_only_for_a_new_one(project: Path) -> None:
    """One is this pipeline's own network, the other the user's features."""
    split = (project / "data/split.csv").read_text().splitlines()[1:]
    ids, labels = zip(*(row.split(",")[:2] for row in split), strict=True)
    features = np.random.default_rng(0).normal(size=(len(ids), 4))
    features[:, 0] += 9 * np.array(labels, float)
    (project / "data/raw").mkdir(exist_ok=True)
    np.savez(project / "data/raw/mine.npz", id=np.array(ids), features=features)
    assert "features" not in run(project, "dvc", "stage", "list", "--name-only").stdout
    mine = "+probe.networks.mine=data/raw/mine.npz"
    result = run(project, "dvc", "exp", "run", "-S", mine, "-S", "probe.k=3")
    assert sorted(ran(result)) == ["check", "features@mine", "probe@mine", "report"]
    found = json.loads((project / "metrics/probe/mine.json").read_text())
    assert found["test"]["roc_auc"] > 0.99
    assert found["test"]["few_shot"]["k"] == 3
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "a probe")
    result = run(project, "dvc", "exp", "run", "-S", "+probe.networks.own=models/members/1-0.keras")
    assert sorted(ran(result)) == ["check", "features@own", "probe@own", "report"]
    shown = run(project, "dvc", "metrics", "show").stdout
    assert all(f"metrics/probe/{name}.json" in shown for name in ("mine", "own"))
    assert run(project, "git", "status", "--porcelain", "data/raw").stdout == ""
    assert "up to date" in run(project, "dvc", "status").stdout
    run(project, "git", "reset", "--hard", "--quiet", "HEAD~1")
    shutil.rmtree(project / "data/raw")


def test_training_starts_from_a_file_and_again_if_its_content_changes(project: Path) -> None:
    """An earlier network is a file of weights; a copy keeps it from depending on itself."""
    known = project / "data/raw/known.keras"
    known.parent.mkdir(exist_ok=True)
    shutil.copyfile(project / "models/members/1-0.keras", known)
    weights = "train.weights=data/raw/known.keras"
    result = run(project, "dvc", "exp", "run", "-S", weights)
    assert ran(result) == ["check", *AFTER_SPLIT]
    assert "weights in `data/raw/known.keras`" in (project / "reports/MODEL_CARD.md").read_text()
    assert "up to date" in run(project, "dvc", "status").stdout
    shutil.copyfile(project / "models/members/1-0.keras", known)  # the network trained since
    status = run(project, "dvc", "status", "train").stdout
    assert re.search(r"modified:\s+data/raw/known\.keras", status)
    shutil.rmtree(known.parent)


def test_an_unknown_parameter_of_an_experiment_is_refused(project: Path) -> None:
    result = run(project, "dvc", "exp", "run", "-S", "train.learning_rat=1", is_ok=False)
    assert "learning_rat" in result.stdout


@pytest.mark.parametrize("key", ["source", "slides"])
def test_a_queued_experiment_says_that_it_runs_in_a_copy(project: Path, key: str) -> None:
    shutil.copytree(project / "data/demo", project / "raw/demo")
    shutil.copyfile(project / "data/slides.csv", project / "raw/slides.csv")
    (project / ".git/info/exclude").write_text("/raw\n")
    path = "raw/demo" if key == "source" else "raw/slides.csv"
    result = run(project, "dvc", "exp", "run", "--temp", "-S", f"data.{key}={path}", is_ok=False)
    assert "This experiment runs in a copy of the project" in result.stdout
    assert f"give the absolute path ({project / path})" in result.stdout
    shutil.rmtree(project / "raw")
