"""Tests with real DVC in a clone: what reruns, what is reproduced, what a user's mistake leaves."""

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from helpers.files import ROOT
from helpers.kaggle import zipped
from helpers.pages import browser
from helpers.pcam import SIZES, pack, write_pcam
from helpers.projects import edit, make_project, ran, run, running

EVALUATED = [
    "roc_auc", "roc_auc_low", "roc_auc_high", "accuracy", "sensitivity", "specificity",
    "average_precision", "calibration_error",
]  # fmt: skip
# What DVC shows, in the order of `dvc exp show`.
DISJOINT = ["slide_disjoint", "patient_disjoint", "unit"]
METRICS = {
    "metrics/validate.json": [
        "num_patches", "num_left_out", "num_bad_unlabelled", "num_patients", "num_slides",
        "num_without_slide", "positive_share", "num_errors", "num_warnings",
        "is_drawn",
    ],
    "metrics/split.json": [
        "groups", *DISJOINT,
        *(
            f"leaks.num_{name}"
            for name in (
                "slides", "exact_copies", "near_copies", "overlaps", "patches_on_train",
            )
        ),
        "num_exact_copies", "num_near_copies", "num_overlaps", "num_regions", "largest_region",
        "num_flat",
        *(
            f"{part}.{name}"
            for part in ("test", "validation", "train")
            for name in ("num_patches", "num_slides", "positive_share")
        ),
    ],
    "metrics/train/1-0/metrics.json": [
        "best_auc", "best_epoch", "train.auc", "train.loss", "eval.auc", "eval.loss",
        *DISJOINT, "step",
    ],
    "metrics/evaluate.json": [
        *(f"{part}.{name}" for part in ("test", "validation") for name in EVALUATED),
        "threshold", *DISJOINT, "is_drawn",
    ],
    "metrics/explain.json": ["occlusion_in_centre", "grad_cam_in_centre", "num_suspicious"],
    "metrics/predict.json": [
        "num_predicted", "num_bad", "num_copies", "largest_shift", *DISJOINT,
        "mean_probability", "is_drawn",
    ],
}  # fmt: skip
COMPUTED = {"train@1-0", "score@1-0", "evaluate", "explain", "predict"}  # with Keras
MODEL = ("model.keras", "decision.json", "card.json")
REVISIONS = ("HEAD", "workspace")  # that `dvc plots diff` compares
ALL = [
    "check",
    "demo",
    "ingest",
    "validate",
    "split",
    "crop",
    "train@1-0",
    "score@1-0",
    "evaluate",
    "explain",
    "predict",
    "report",
]
AFTER_SPLIT = ALL[ALL.index("train@1-0") :]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pipeline has run once, with that committed."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    assert ran(run(folder, "dvc", "repro")) == ALL
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "the first run")
    return folder


@pytest.fixture
def project(built: Path) -> Iterator[Path]:
    """The built project, put back as it was after the test."""
    yield built
    # DVC stages what it writes, so that the index has to go back too.
    run(built, "git", "reset", "--hard", "--quiet")
    run(built, "git", "clean", "-fd", "--quiet")
    run(built, "dvc", "checkout", "--quiet", "--force")


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
def test_a_first_run_modifies_no_file_of_git_and_adds_eight(project: Path) -> None:
    """Whoever ran it, on whatever processor: results are new files, and pictures are none."""
    names = run(project, "git", "diff", "--name-status", "HEAD~1", "HEAD").stdout.split("\n")
    added = ["data/dvc.lock", "dvc.lock", *METRICS]
    assert sorted(filter(None, names)) == sorted(f"A\t{name}" for name in added)


@pytest.mark.medium
def test_dvc_shows_these_metrics_in_this_order_and_no_other(project: Path, tmp_path: Path) -> None:
    shown = run(project, "dvc", "exp", "show", "--csv", "--no-pager").stdout.splitlines()[0]
    compared = [(path, name) for path, names in METRICS.items() for name in names]
    # DVC leaves out what isn't defined, as some is of so small a run, and names alike in several
    # files it shows with their file.
    defined = [(path, name) for path, name in compared if value(project, path, name) is not None]
    columns = shown.split(",")
    found = [
        column for column in columns if column.split(":")[-1] in {name for _, name in compared}
    ]
    assert [column.split(":")[-1] for column in found] == [name for _, name in defined]
    # In a clone there is what git has, and it is enough.
    run(tmp_path, "git", "clone", "--quiet", str(project), "clone")
    table = run(tmp_path / "clone", "dvc", "metrics", "diff", "--md", "HEAD~1", "HEAD").stdout
    rows = [[cell.strip() for cell in row.split("|")[1:3]] for row in table.splitlines()[2:]]
    assert sorted(tuple(row) for row in rows if row) == sorted(defined)


def value(project: Path, path: str, name: str) -> object:
    """The value of a metric, whose name says where in its file it stands."""
    found = json.loads((project / path).read_text())
    for key in name.split("."):
        found = found[key]
    return found


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
        counts = {"num_patches", "num_slides", "num_patients", "num_regions"}
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
@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("evaluate", "tta", "none", ALL[ALL.index("score@1-0") :]),  # by one decision
        ("predict", "round", True, ["predict", "report"]),  # which shows all parameters
        ("split", "seed", 7, ["split", *AFTER_SPLIT]),
        ("crop", "size", 64, ["crop", *AFTER_SPLIT]),
        ("validate", "max_positive_share", 0.7, ["validate", "report"]),  # the manifest stays
        ("data", "um_per_pixel", 0.5, ["evaluate", "report"]),  # the card alone changes
        ("demo", "seed", 2, ALL[1:]),
    ],
)
def test_an_edit_reruns_exactly_what_depends_on_it(
    project: Path, section: str, key: str, value: object, expected: list[str]
) -> None:
    edit(project, section, key, value)
    assert ran(run(project, "dvc", "repro")) == ["check", *expected]


@pytest.mark.slow
def test_an_edit_of_a_rule_or_a_figure_reruns_its_stage_alone(project: Path) -> None:
    """The outputs stay the same bytes, so that nothing after it runs."""
    for file in ("validate/rules.py", "split/split_figures.py", "plotting.py"):
        with (project / "src" / "metastasis" / file).open("a") as code:
            code.write("# another comment\n")
    ran_again = ran(run(project, "dvc", "repro"))
    assert ran_again == ["check", "validate", "split", "evaluate", "explain", "report"]


@pytest.mark.slow
def test_a_second_clone_builds_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Every output of a run from nothing has the hash that the first run's lock recorded."""
    run(tmp_path, "git", "clone", "--quiet", str(built), "twin")
    twin = tmp_path / "twin"
    assert not (twin / ".dvc/cache").exists()
    assert ran(run(twin, "dvc", "repro")) == ALL
    for name in ("dvc.lock", "data/dvc.lock"):
        assert (twin / name).read_text() == (built / name).read_text()
    assert run(twin, "git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_an_experiment_with_a_small_learning_rate_runs_and_shows_its_difference(
    project: Path,
) -> None:
    result = run(project, "dvc", "exp", "run", "-n", "small", "-S", "train.learning_rate=0.00001")
    assert ran(result) == ["check", *AFTER_SPLIT]
    shown = run(project, "dvc", "exp", "show", "--csv", "--no-pager").stdout
    assert "small" in shown
    assert "1e-05" in shown
    assert "test.roc_auc" in run(project, "dvc", "metrics", "diff").stdout
    assert "learning_rate" in run(project, "dvc", "params", "diff").stdout
    rows = run(project, "dvc", "metrics", "diff", "--md").stdout.splitlines()[2:]
    names = {tuple(cell.strip() for cell in row.split("|")[1:3]) for row in filter(None, rows)}
    assert names <= {(path, name) for path, names in METRICS.items() for name in names}
    assert ("metrics/evaluate.json", "test.roc_auc") in names


@pytest.mark.slow
def test_params_put_back_give_what_they_gave_and_nothing_runs_again(project: Path) -> None:
    edit(project, "train", "learning_rate", 0.00001)
    run(project, "dvc", "repro")
    assert run(project, "git", "diff", "HEAD", "--name-only", "metrics/evaluate.json").stdout
    run(project, "git", "checkout", "HEAD", "--", "params.yaml")
    result = run(project, "dvc", "repro")
    assert ran(result) == ["check"]  # which takes no answer from the cache
    for stage in AFTER_SPLIT:
        assert f"Stage '{stage}' is cached - skipping run" in result.stdout
    assert run(project, "git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_the_page_of_plots_opens_offline_and_stays_out_of_git(
    project: Path, tmp_path: Path
) -> None:
    edit(project, "evaluate", "tta", "none")
    run(project, "dvc", "repro")
    run(project, "dvc", "plots", "diff")
    assert "plots" not in run(project, "git", "status", "--porcelain").stdout
    page = (project / "dvc_plots/index.html").read_text()
    assert "https://" not in page.replace("https://vega.github.io/schema/", "")  # a name alone
    assert "<script src" not in page
    pictures = re.findall(r'<img src="([^"]*)"', page)
    assert all((project / "dvc_plots" / name).is_file() for name in pictures)
    assert {name.partition("_")[2] for name in pictures} >= {"plots_evaluate_roc.png"}
    # In a browser that finds no host, it draws all lines: train and eval, test and validation.
    path = (project / "dvc_plots/index.html").as_uri()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--dump-dom"]
    shown = run(project, browser(), *options, f"--user-data-dir={tmp_path}", path).stdout
    assert ":CONSOLE" not in shown
    for name in ("Loss", "AUC", "ROC"):
        figure = shown[shown.index(f"<figcaption>{name}<") :].partition("</figure>")[0]
        assert figure.count("<polyline") == 2 * len(REVISIONS)
        assert all(f">{revision}, " in figure for revision in REVISIONS)


@pytest.mark.slow
def test_queued_experiments_run_and_show(project: Path) -> None:
    run(project, "dvc", "exp", "run", "--queue", "-n", "q", "-S", "train.learning_rate=1e-3,1e-4")
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


def lock_of(text: str, *names: str) -> dict[str, Any]:
    """What dvc.lock records of these stages."""
    recorded = yaml.safe_load(text)["stages"]
    return {name: recorded[name] for name in names}


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_export_is_written_only_when_asked_and_predicts(project: Path) -> None:
    before = (project / "data/submission.csv").read_text().splitlines()
    edit(project, "export", "formats", {"openvino": 32})
    assert ran(run(project, "dvc", "repro")) == ["check", "export@openvino", "report"]
    measured = json.loads((project / "metrics/export/openvino.json").read_text())
    assert measured["bits"] == 32
    edit(project, "predict", "network", "models/exported/openvino")
    assert ran(run(project, "dvc", "repro")) == ["check", "predict", "report"]
    after = (project / "data/submission.csv").read_text().splitlines()
    ids, probabilities = zip(*(row.split(",") for row in after[1:]), strict=True)
    assert list(ids) == [row.split(",")[0] for row in before[1:]]
    expected = [float(row.split(",")[1]) for row in before[1:]]
    assert np.array(probabilities, float) == pytest.approx(expected, abs=0.02)  # in bfloat16
    assert ran(run(project, "dvc", "repro")) == []


@pytest.mark.slow
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


@pytest.mark.slow
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
    run(owner, "dvc", "push", "evaluate", "train")
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


@pytest.mark.slow
def test_an_unknown_parameter_of_an_experiment_is_refused(project: Path) -> None:
    result = run(project, "dvc", "exp", "run", "-S", "train.learning_rat=1", is_ok=False)
    assert "learning_rat" in result.stdout


@pytest.mark.medium
@pytest.mark.parametrize(
    ("command", "section", "key", "value", "message"),
    [
        ("repro", "train", "learning_rate", "fast", "train.learning_rate is 'fast': should be a v"),
        ("repro evaluate", "predict", "round", "yes", "predict.round is 'yes': should be a valid"),
        ("exp run", "split", "test", 0.9, "validation and test together must leave a share for"),
        ("repro", "data", "source", "nowhere", "data.source: nowhere does not exist; expected K"),
    ],
)
def test_a_wrong_value_stops_the_run_before_anything_is_deleted(
    project: Path, command: str, section: str, key: str, value: object, message: str
) -> None:
    built = project / "models/model.keras"
    before = built.read_bytes()
    edit(project, section, key, value)
    result = run(project, "dvc", *command.split(), is_ok=False)
    assert message in result.stdout
    assert "Traceback" not in result.stdout
    assert ran(result) == ["check"]
    assert built.read_bytes() == before
    assert (project / "metrics/evaluate.json").exists()
    assert (project / "plots/evaluate/roc.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["corrupt image", "empty labels"])
def test_a_bad_source_stops_before_the_split(project: Path, tmp_path: Path, fault: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(project / "data/demo", source)
    victim = min((source / "train").iterdir())
    if fault == "corrupt image":
        content, message = victim.read_bytes()[:5000], f"image-decodable: 1 found ({victim.stem}:"
    else:
        victim = source / "train_labels.csv"
        content, message = b"", "labels-cells: found there is no header"
    victim.unlink()
    victim.write_bytes(content)
    edit(project, "data", "source", str(source))
    result = run(project, "dvc", "repro", is_ok=False)
    assert ran(result) == ["check", "ingest", "validate"]
    assert message in result.stdout
    assert "Traceback" not in result.stdout
    assert "See the report: reports/validate.html" in result.stdout
    assert "Stopped" in (project / "reports/validate.html").read_text()
    assert not (project / "data/manifest.csv").exists()


@pytest.mark.slow
def test_a_zip_with_bad_patches_ends_in_a_whole_submission_when_they_are_quarantined(
    project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(project / "data/demo", source)
    victims = [min((source / pool).iterdir()) for pool in ("train", "test")]
    for victim in victims:
        content = victim.read_bytes()[:5000]
        victim.unlink()
        victim.write_bytes(content)
    edit(project, "data", "source", str(zipped(source, tmp_path / "kaggle.zip", "top/")))
    edit(project, "validate", "bad_patches", "quarantine")
    result = run(project, "dvc", "repro")
    assert f"warning: 1 of the unlabelled patches are bad ({victims[1].stem})" in result.stdout
    quarantine = (project / "data/quarantine.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in quarantine[1:]] == [path.stem for path in victims]
    assert victims[0].stem not in (project / "data/split.csv").read_text()
    submission = (project / "data/submission.csv").read_text().splitlines()
    assert len(submission) == 13
    assert any(row.startswith(f"{victims[1].stem},") for row in submission)


@pytest.mark.slow
def test_packed_hdf5_files_end_in_scores_on_their_official_splits(
    project: Path, tmp_path: Path
) -> None:
    write_pcam(tmp_path / "pcam")
    for path in list((tmp_path / "pcam").glob("*.h5")):
        pack(path)
    for section, key, value in (
        ("data", "source", str(tmp_path / "pcam")),
        ("validate", "ids", "any"),
        ("split", "official", True),
        ("train", "batch_size", 4),
    ):
        edit(project, section, key, value)
    run(project, "dvc", "repro")
    rows = (project / "data/scores.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:2] for row in rows] == [
        *(["test-00000" + str(number), "test"] for number in range(SIZES["test"])),
        *(["valid-00000" + str(number), "validation"] for number in range(SIZES["valid"])),
    ]
    assert json.loads((project / "metrics/evaluate.json").read_text())["slide_disjoint"] is True
    assert (project / "data/submission.csv").read_text() == "id,label\n"


@pytest.mark.slow
def test_a_source_whose_path_holds_a_blank_is_read(project: Path, tmp_path: Path) -> None:
    source = tmp_path / "my patches"
    shutil.copytree(project / "data/demo", source)
    edit(project, "data", "source", str(source))
    assert "demo" not in ran(run(project, "dvc", "repro", "crop"))


@pytest.mark.slow
def test_a_listed_folder_is_read_again_after_a_change_and_only_then(
    project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(project / "data/demo", source)
    edit(project, "data", "listed", {"kaggle": str(source)})
    edit(project, "data", "source", "data/listed/kaggle.json")

    def reran() -> list[str]:
        return ran(run(project, "dvc", "repro", "ingest"))

    assert reran() == ["check", "list@kaggle", "ingest"]
    assert reran() == ["list@kaggle"]
    assert "always changed" in run(project, "dvc", "status").stdout
    added, victim = source / "train/added.tif", min((source / "train").iterdir())
    content, times = victim.read_bytes(), (victim.stat().st_atime_ns, victim.stat().st_mtime_ns)
    shutil.copyfile(victim, added)
    assert reran() == ["list@kaggle", "ingest"]
    victim.write_bytes(content[:-1] + b"!")
    os.utime(victim, ns=times)
    assert reran() == ["list@kaggle", "ingest"]
    added.unlink()
    assert reran() == ["list@kaggle", "ingest"]
    # A copy of the project, such as a clone of which the outputs were pulled, has no folder.
    source.rename(tmp_path / "away")
    result = run(project, "dvc", "repro", "ingest")
    assert ran(result) == ["list@kaggle"]
    assert "its last listing stays valid" in result.stdout


def upgrade(project: Path, name: str, *, is_recorded: bool) -> None:
    """Lock another version of a library, and record it as `make libraries` does."""
    for path, start in (
        ("uv.lock", f'name = "{name}"\nversion = "'),
        ("libraries.yaml", f"{name}: "),
    ):
        text = (project / path).read_text()
        if path == "uv.lock" or is_recorded:
            assert f"\n{start}" in text
            (project / path).write_text(text.replace(f"\n{start}", f"\n{start}9"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keras", COMPUTED),
        ("tensorflow", COMPUTED),
        ("great-expectations", {"validate"}),
        ("dvclive", {"train@1-0"}),
        ("ruff", set()),
        ("pytest", set()),
    ],
)
def test_an_upgrade_reruns_the_stages_that_compute_with_the_library_and_no_other(
    project: Path, name: str, expected: set[str]
) -> None:
    upgrade(project, name, is_recorded=bool(expected))
    changed = json.loads(run(project, "dvc", "status", "--json").stdout)
    assert set(changed) == {"check"} | expected
    # The check is done again and says the same as before, so that nothing follows from it alone.
    reran = ran(run(project, "dvc", "repro", "check", is_ok=not expected))
    assert reran == ["check"]
    assert (name in run(project, "dvc", "params", "diff").stdout) == bool(expected)


@pytest.mark.slow
def test_an_upgrade_that_is_not_installed_or_not_recorded_stops_before_anything_is_deleted(
    project: Path,
) -> None:
    upgrade(project, "keras", is_recorded=True)
    stopped = run(project, "dvc", "repro", is_ok=False)
    assert "is installed, libraries.yaml says 9" in stopped.stdout
    assert ran(stopped) == ["check"]
    run(project, "git", "checkout", "libraries.yaml")
    stopped = run(project, "dvc", "repro", is_ok=False)
    assert "Run `make libraries`" in stopped.stdout
    assert ran(stopped) == ["check"]
    assert (project / "models/model.keras").exists()


@pytest.mark.slow
def test_a_patch_mended_with_its_old_size_and_time_is_read_again_by_what_the_gate_advises(
    project: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(project / "data/demo", source)
    victim = min((source / "train").iterdir())
    good = victim.read_bytes()
    os.utime(victim, (10**9, 10**9))
    content = bytearray(good)
    content[5000] ^= 0xFF
    victim.write_bytes(content)
    os.utime(victim, (10**9, 10**9))
    edit(project, "data", "source", str(source))
    assert "labelled-id-is-hash: 1 found" in run(project, "dvc", "repro", is_ok=False).stdout
    victim.write_bytes(good)
    os.utime(victim, (10**9, 10**9))
    told = run(project, "dvc", "repro", is_ok=False).stdout
    assert "labelled-id-is-hash" not in told
    assert "the source has changed since `ingest` read it (1 found: train/" in told
    (command,) = (line for line in told.splitlines() if line.startswith("  touch "))
    run(project, "sh", "-c", command)
    assert ran(run(project, "dvc", "repro", "validate")) == ["ingest", "validate"]
    victim.write_bytes(content)  # damaged anew: the run cache must not hand out the mended patch
    result = run(project, "dvc", "repro", "validate", is_ok=False)
    assert "labelled-id-is-hash: 1 found" in result.stdout


@pytest.mark.slow
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
