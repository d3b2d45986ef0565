"""Tests with real DVC that a first run gives what it should, in a clone too, and to others."""

import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.files import ROOT
from helpers.projects import STAGES, ran, run

MODEL = ("model.keras", "decision.json", "card.json")


def given_by_the_readmes_snippet(project: Path) -> NDArray[np.float32]:
    """What the README's lines give for the demo's unlabelled patches, in the submission's order."""
    rows = (project / "data/submission.csv").read_text().splitlines()[1:]
    paths = [project / f"data/demo/test/{row.split(',')[0]}.tif" for row in rows]
    patches = [np.asarray(cv2.imread(str(path))) for path in paths]
    np.save(project / "patches.npy", [patch[..., ::-1] for patch in patches])
    readme = (ROOT / "README.md").read_text()
    [snippet] = re.findall(r"```python\n(import keras\n.*?)```", readme, re.DOTALL)
    program = (
        "import sys; sys.modules['metastasis'] = None\n"  # to import it is an error
        "import numpy as np; patches = np.load('patches.npy')\n"
        f"{snippet}\nnp.save('given.npy', probabilities)\n"
    )
    run(project, sys.executable, "-c", program)
    given: NDArray[np.float32] = np.load(project / "given.npy")[:, 0]
    for name in ("patches.npy", "given.npy"):
        (project / name).unlink()
    return given


@pytest.mark.medium
def test_the_whole_pipeline_ends_in_a_submission_and_then_rests(project: Path) -> None:
    sample = (project / "data/demo/sample_submission.csv").read_text().splitlines()
    submission = (project / "data/submission.csv").read_text().splitlines()
    assert len(submission) == 13
    assert [row.split(",")[0] for row in submission] == [row.split(",")[0] for row in sample]
    submitted = np.array([float(row.split(",")[1]) for row in submission[1:]])
    given = given_by_the_readmes_snippet(project)
    assert np.abs(given - submitted).max() <= 1e-6
    threshold = json.loads((project / "models/decision.json").read_text())["threshold"]
    assert ((given >= threshold) == (submitted >= threshold)).all()
    assert ran(run(project, "dvc", "repro")) == []
    assert run(project, "git", "status", "--porcelain").stdout == ""
    assert "up to date" in run(project, "dvc", "status").stdout


@pytest.mark.medium
def test_the_metrics_have_their_agreed_shape(project: Path) -> None:
    metrics = json.loads((project / "reports/evaluation.json").read_text())
    decision = json.loads((project / "models/decision.json").read_text())
    brief = json.loads((project / "metrics/evaluate.json").read_text())
    ends = {
        f"roc_auc_{end}": metrics["test"]["interval"]["roc_auc"][end] for end in ("low", "high")
    }
    assert brief["test"].items() <= (metrics["test"] | ends).items()
    for name in ("threshold", "temperature"):
        assert decision[name] == metrics[name]
    assert decision["tta"] == "d4"
    said = {"slide_disjoint", "patient_disjoint", "unit"}
    assert set(metrics) == {"test", "validation", "threshold", "temperature", "is_drawn", *said}
    agreed = {
        "roc_auc", "region_roc_auc", "average_precision", "accuracy", "balanced_accuracy",
        "sensitivity", "specificity", "precision", "f1", "nll", "brier", "calibration_error",
        "sensitivity_at_95_specificity", "specificity_at_95_sensitivity",
    }  # fmt: skip
    for part in (metrics["test"], metrics["validation"]):
        counts = {"num_patches", "num_slides", "num_patients", "num_regions", "num_unknown"}
        beside = counts | {"interval", "uncalibrated"}
        assert set(part) == agreed | beside
        assert set(part["interval"]) == agreed | {"over"}
        assert set(part["interval"]["roc_auc"]) == {"low", "high"}
    assert [metrics[name] for name in sorted(said)] == [None, True, "slide"]
    split = (project / "data/split.csv").read_text().splitlines()[1:]
    num_test = sum("test" in row.split(",") for row in split)
    assert metrics["test"]["num_patches"] == num_test
    scores = (project / "data/scores.csv").read_text().splitlines()
    assert scores[0] == "id,split,label,slide,patient_name,region,logit"
    assert len(scores) == 1 + num_test + metrics["validation"]["num_patches"]


@pytest.mark.slow
def test_a_second_clone_builds_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Every output of a run from nothing has the hash that the first run's lock recorded."""
    run(tmp_path, "git", "clone", "--quiet", str(built), "twin")
    twin = tmp_path / "twin"
    assert not (twin / ".dvc/cache").exists()
    assert ran(run(twin, "dvc", "repro")) == STAGES
    for name in ("dvc.lock", "data/dvc.lock"):
        assert (twin / name).read_text() == (built / name).read_text()
    assert run(twin, "git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_others_take_the_model_as_docs_models_says(built: Path, tmp_path: Path) -> None:
    """With get, import and artifacts get, from a clone whose outputs are in a remote."""
    owner, taker, clone = (tmp_path / name for name in ("owner", "taker", "clone"))
    run(tmp_path, "git", "clone", "--quiet", str(built), "owner")
    run(owner, "dvc", "cache", "dir", "--local", str(built / ".dvc/cache"))
    run(owner, "dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage"))
    run(owner, "git", "commit", "--quiet", "--all", "--message", "the storage")
    run(tmp_path, "git", "clone", "--quiet", str(owner), "clone")
    refused = run(tmp_path, "dvc", "get", str(clone), "models", "-o", "early", is_ok=False)
    assert "No storage files available" in refused.stdout
    run(owner, sys.executable, str(ROOT / "scripts/push.py"))
    run(owner, "git", "tag", "--annotate", "metastasis@v1.0.0", "--message", "the first model")
    run(clone, "git", "pull", "--quiet", "--tags")
    taker.mkdir()
    run(taker, "git", "init", "--quiet")
    run(taker, "dvc", "init", "--quiet")
    source = str(clone)
    run(taker, "dvc", "get", source, "models", "-o", "got")
    run(taker, "dvc", "get", f"file://{source}", "models", "--rev", "metastasis@v1.0.0", "-o", "at")
    run(taker, "dvc", "artifacts", "get", source, "metastasis", "-o", "named")
    run(taker, "dvc", "import", source, "models", "-o", "imported")
    (taker / "three").mkdir()
    for name in MODEL:
        run(taker, "dvc", "get", source, f"models/{name}", "-o", f"three/{name}")
    for folder in ("got", "at", "named", "imported", "three"):
        assert {(taker / folder / name).read_bytes() for name in MODEL} == {
            (built / "models" / name).read_bytes() for name in MODEL
        }
        shown = run(taker, sys.executable, "-m", "metastasis", "info", folder).stdout
        assert shown.startswith(f"model       {folder}: tumour in the central 32x32 pixels")
        assert "intact: decision.json and model.keras" in shown
    assert "rev_lock:" in (taker / "imported.dvc").read_text()
    assert "didn't change" in run(taker, "dvc", "update", "imported.dvc").stdout
