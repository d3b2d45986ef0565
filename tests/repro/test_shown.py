"""Tests with real DVC of what git and DVC show of a run: its files, metrics, params and plots."""

import json
import re
from pathlib import Path

import pytest

from helpers.pages import browser
from helpers.projects import AFTER_SPLIT, edit, ran, run

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
REVISIONS = ("HEAD", "workspace")  # that `dvc plots diff` compares


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


@pytest.mark.slow
def test_an_experiment_shows_its_difference_and_params_put_back_give_what_they_gave(
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
    edit(project, "train", "learning_rate", 0.00001)  # DVC's cache has it of the test above
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
