"""Tests of `report.reporting`: the page and the card say all that was found, and show it."""

import base64
import html
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.pages import MARKUP, Page, browser
from helpers.patches import sha1
from metastasis import plotting
from metastasis.base import records
from metastasis.base.errors import InputError
from metastasis.report import history_figure, reporting
from metastasis.report.history_figure import LINES
from metastasis.report.reporting import FIGURES, Inputs
from metastasis.results import provenance
from metastasis.results.decision import Decision, Sets
from metastasis.results.evaluation import ABSTAINED, METRICS
from metastasis.results.numbers import percent

PHONE = 390  # pixels
UNCALIBRATED = ("nll", "brier", "calibration_error")
UNEXPLAINED = (
    "agreement",
    "agreement_untrained",
    "grad_cam_in_centre",
    "grad_cam_in_centre_untrained",
    "occlusion_in_centre",
)
# Looks at a page, as it is, in a frame as wide as a phone (a window can't be), and tells.
PROBE = """<!DOCTYPE html>
<iframe src="page.html" style="width: %dpx; height: 800px; border: 0"></iframe>
<script>
addEventListener("load", () => {
  const {contentWindow: frame, contentDocument: page} = document.querySelector("iframe");
  const images = [...page.images];
  document.documentElement.textContent = "told" + JSON.stringify({
    verdict: page.querySelector("#verdict").textContent,
    images: images.length,
    broken: images.filter(image => !image.naturalWidth).length,
    loaded: frame.performance.getEntriesByType("resource").map(entry => entry.name),
    width: frame.innerWidth,
    needed: page.scrollingElement.scrollWidth,
  }) + "told";
});
</script>
"""


def numbers(start: int) -> Iterator[float]:
    """Numbers that no other place of the page has."""
    return (count / 10_000 for count in range(start, 10_000))


DISJOINT = {"slide_disjoint": True, "patient_disjoint": None, "unit": "slide"}


def part(start: int, num_slides: int | None) -> dict[str, Any]:
    """What `evaluate` writes of a part."""
    number, end, before = (numbers(start + more) for more in (0, 500, 900))
    return {
        "num_patches": 1_000_000 + start,  # enough for four decimals
        "num_slides": num_slides,
        "num_patients": None,
        "num_regions": 60_000 + start,
        **{name: next(number) for name in METRICS},
        "interval": {name: {"low": next(end), "high": next(end)} for name in METRICS}
        | {"over": "patches" if num_slides is None else "slides"},
        "uncalibrated": {name: next(before) for name in UNCALIBRATED},
    }


def found() -> dict[str, dict[str, Any]]:
    """The numbers of every stage that the page tells of, each another."""
    return {
        "validate": {
            "num_patches": 40_003,
            "num_left_out": 40_004,
            "num_bad_unlabelled": 40_005,
            "num_slides": 40_006,
            "num_patients": 40_008,
            "num_without_slide": 40_007,
            "positive_share": 0.4567,
            "num_errors": 1,
            "num_warnings": 1,
            "is_drawn": False,
        },
        "split": {
            "groups": "slide",
            **DISJOINT,
            "leaks": {
                "num_patients": 60,
                "num_slides": 61,
                "num_exact_copies": 62,
                "num_near_copies": 63,
                "num_overlaps": 67,
                "num_patches_on_train": 69,
            },
            "num_exact_copies": 64,
            "num_near_copies": 65,
            "num_overlaps": 68,
            "num_regions": 70,
            "largest_region": 71,
            "num_flat": 66,
        },
        "train": {
            "train": {"auc": 0.9102, "loss": 0.9103},
            "eval": {"auc": 0.9106, "loss": 0.9107},
            "step": 17,
            "best_epoch": 16,
            "best_auc": 0.9108,
            **DISJOINT,
        },
        "evaluate": {
            "test": part(1000, 21),
            "validation": part(2000, 22),
            **DISJOINT,
            "is_drawn": False,
            "temperature": 0.9251,
            "threshold": 0.4963,
        },
        "explain": {
            "agreement": 0.7701,
            "agreement_untrained": 0.3402,
            "centre_area": 0.1111,
            "grad_cam_in_centre": 0.8603,
            "grad_cam_in_centre_untrained": 0.5502,
            "occlusion_in_centre": 0.5704,
            "num_patches": 1_000_032,
            "num_suspicious": 101,
        },
        "unlabelled": {
            "num_patches": 1_000_033,
            "num_copies": 1_000_034,
            "num_validation": 1_000_035,
            "over": "regions",
            "validation_over": "slides",
            "shifts": [
                {"measure": "eosin", "superiority": 0.2801, "low": 0.2702, "high": 0.2903},
                {"measure": "sharpness", "superiority": 0.5104, "low": 0.4905, "high": 0.5306},
            ],
        },
    }


PLACES = {
    "validate": "metrics/validate.json",
    "split": "metrics/split.json",
    "train": "metrics/train/1-0/metrics.json",
    "evaluate": "reports/evaluation.json",
    "explain": "reports/attention.json",
    "unlabelled": "reports/unlabelled.json",
}
VERDICTS = (
    ("a-met-rule", "error", "met", 0),
    ("a-loose-rule", "warning", "broken", 871),
    ("the-strict-rule", "error", "broken", 9),
)


def parts() -> pd.DataFrame:
    """What `split` writes of each part, each number another."""
    counted = ("num_patches", "num_slides", "num_groups", "largest_group")
    rows = [
        {"split": name, "share": 0.51 + row / 100, "positive_share": 0.55 + row / 100}
        | {key: 50_000 + 10 * row + n for n, key in enumerate(counted)}
        for row, name in enumerate(("train", "validation", "test"))
    ]
    return pd.DataFrame(rows)


def write(folder: Path, metrics: dict[str, dict[str, Any]]) -> Inputs:
    """Write all that the report reads, and return where."""
    names = ("params.yaml", "data", "models", "reports", "metrics", "plots")
    inputs = Inputs(*(folder / name for name in names))
    for name, place in PLACES.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(json.dumps(metrics[name]))
    known = provenance.Provenance(name="a folder", is_drawn=False)
    provenance.write(inputs.data / "tables" / "source.json", known)
    decision = Decision(temperature=0.9251, threshold=0.4963, tta="none")
    records.write(inputs.models / "decision.json", decision)
    params = {
        "data": {"source": "/somewhere/else/patches.zip"},
        "crop": {"size": 64},
        "split": {"official": False, "folds": None},
        "train": {
            "seeds": [1],
            "folds": [0],
            "model": "compact",
            "weights": "data/no-weights.txt",
            "learning_rate": 0.0031,
        },
        "probe": {"networks": {"midnight": "/somewhere/else/midnight.onnx"}},
        "evaluate": {"tta": "none", "sensitivity": None},
    }
    inputs.params_path.write_text(yaml.safe_dump(params))
    ids = [sha1(np.full((2, 2, 3), value, np.uint8)) for value in range(30)]
    inventory = pd.DataFrame(
        {"sha1": [*ids, None], "pool": ["labelled"] * 12 + ["unlabelled"] * 19}
    )
    inventory.to_parquet(inputs.data / "inventory.parquet")
    verdicts = pd.DataFrame(VERDICTS, columns=["rule", "severity", "verdict", "count"])
    verdicts.assign(examples="").to_csv(inputs.reports / "verdicts.csv", index=False)
    rows = pd.DataFrame({"id": ids, "label": 1, "slide": "NA"})
    rows.assign(split="test").to_csv(inputs.split_path, index=False)
    rows = rows.assign(split="test", probability=np.linspace(0.01, 0.3, 30), reason="so it is")
    rows.to_csv(inputs.data / "suspicious.csv", index=False)
    for stage, figures in FIGURES.items():
        (inputs.plots / stage).mkdir(parents=True)
        for row, name in enumerate(figures):
            assert cv2.imwrite(
                str(inputs.plots / stage / f"{name}.png"),
                np.full((30, 400 + 200 * row, 3), 200, np.uint8),
            )
    write_history(inputs.metrics / "train" / "1-0" / "plots" / "metrics")
    held = [name in metrics["evaluate"] or name == "train" for name in parts()["split"]]
    parts()[held].to_csv(inputs.plots / "split" / "parts.csv", index=False)
    for column in ("slide", "stain"):
        table = pd.DataFrame(
            {
                "split": ["test"] * 9 + ["validation"],
                column: [*(f"{column} {n}" for n in range(7)), "NA", f"small {column}", MARKUP],
                "num_patches": [*range(200, 208), 19, 208],
                "num_positive": range(300, 310),
                "roc_auc": [0.97, 0.96, 0.95, 0.94, 0.93, 0.92, None, 0.91, 0.1, 0.5],
                "accuracy": 0.9,
            }
        )
        table.to_csv(inputs.plots / "evaluate" / f"{column}s.csv", index=False)
    inputs.model_path.write_bytes(b"a model")
    return inputs


def write_history(folder: Path, num_epochs: int = 3) -> None:
    """Write the tables that DVCLive logs, each metric with other values."""
    tables = [(part, name) for part in LINES.values() for name in history_figure.METRICS]
    for row, (part, name) in enumerate(tables):
        (folder / part).mkdir(parents=True, exist_ok=True)
        values = row / 10 + np.arange(num_epochs) / 100
        table = pd.DataFrame({"step": range(num_epochs), name: values})
        table.to_csv(folder / part / f"{name}.tsv", sep="\t", index=False)


def made(folder: Path, inputs: Inputs) -> tuple[str, str]:
    """The page and the card."""
    paths = {
        "page_path": folder / "reports" / "index.html",
        "card_path": folder / "reports/card.md",
    }
    reporting.report(inputs, **paths)
    page, card = (path.read_text(encoding="utf-8") for path in paths.values())
    return page, card


def words(folder: Path, metrics: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """What the page and the card say."""
    page, card = made(folder, write(folder / "inputs", metrics))
    return Page(page).text, card


def leaves(value: object) -> Iterator[float]:
    """Every number of JSON."""
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_the_same_inputs_give_the_same_bytes_wherever_they_lie(tmp_path: Path) -> None:
    first, second = (
        made(tmp_path / name, write(tmp_path / name / "inputs", found())) for name in ("one", "two")
    )
    assert first == second
    assert str(tmp_path) not in "".join(first)
    assert "somewhere" not in "".join(first)  # the folder of the source
    assert "patches.zip" in first[0]


def test_every_number_that_the_stages_wrote_is_shown(tmp_path: Path) -> None:
    page, _ = words(tmp_path, found())
    beside = [{"counts": VERDICTS[1][3], "images": 31}, *parts().to_dict("records")]
    found_numbers = [*leaves(found()), *(number for row in beside for number in leaves(row))]
    expected = [
        (reporting.shown(number), percent(number), percent(number, 1_000_032))
        for number in found_numbers
    ]
    assert len(expected) > 130
    assert len(set(expected)) > 120
    assert [ways for ways in expected if not any(way in page for way in ways)] == []


def test_the_card_has_the_metrics_with_intervals_and_the_recipe(tmp_path: Path) -> None:
    _, card = words(tmp_path, found())
    assert "| ROC AUC | 0.1000 (0.1500 to 0.1501) | 0.2000 (0.2500 to 0.2501) |" in card
    assert "| log loss | 0.1900 | 0.1011 | 0.2900 | 0.2011 |" in card
    assert "| `learning_rate` | `0.0031` |" in card
    assert "central 64x64" in card
    assert "\n\n\n" not in card
    for heading in ("Intended use", "Factors", "Metrics", "Data", "Ethical", "Limits", "reproduce"):
        assert heading in card


@pytest.mark.parametrize("place", [0, 1], ids=["page", "card"])
def test_the_verdict_is_the_test_auc_and_its_interval(tmp_path: Path, place: int) -> None:
    text = words(tmp_path, found())[place]
    assert "Test AUC 0.1000, 95 % interval 0.1500 to 0.1501 over 21 slides." in text
    assert "optimistic" not in text
    assert "are rough" not in text
    assert "not a medical device" in text or "no medical\ndevice" in text


@pytest.mark.parametrize("place", [0, 1], ids=["page", "card"])
def test_a_temperature_at_its_bound_is_no_finding(tmp_path: Path, place: int) -> None:
    inputs = write(tmp_path / "inputs", found())
    assert "bound" not in made(tmp_path / "found", inputs)[place].lower().replace("lower", "")
    decision = Decision(temperature=20, threshold=0.5, tta="none", temperature_bound="upper")
    records.write(inputs.models / "decision.json", decision)
    text = made(tmp_path / "bound", inputs)[place]
    assert "at its upper bound" in text
    assert "confident" not in text


def test_sets_and_their_metrics_are_shown_if_a_coverage_is_promised(tmp_path: Path) -> None:
    metrics = found()
    assert "pathologist" not in " ".join(words(tmp_path / "without", metrics))
    for start, name in ((3000, "test"), (4000, "validation")):
        value, end = numbers(start), numbers(start + 500)
        metrics["evaluate"][name]["abstention"] = {key: next(value) for key in ABSTAINED} | {
            "interval": {key: {"low": next(end), "high": next(end)} for key in ABSTAINED}
        }
    inputs = write(tmp_path / "inputs", metrics)
    sets = Sets(coverage=0.95, tumour_from=0.2345, no_tumour_from=0.1234)
    decision = Decision(temperature=0.9251, threshold=0.4963, tta="none", sets=sets)
    records.write(inputs.models / "decision.json", decision)
    page, card = made(tmp_path, inputs)
    text = Page(page).text
    assert "tumour from a probability of 0.2345 on" in text
    assert "of a patch of a new slide with a probability of at least 95.0 %" in text
    assert "whose set holds it, mean over slides" in text
    assert "for a patch of a new slide" in card
    added = [metrics["evaluate"][name]["abstention"] for name in ("test", "validation")]
    shown = [reporting.shown(number) for number in leaves(added)]
    assert len(shown) == 24
    assert [number for number in shown if number not in text] == []
    assert "| coverage of tumour | 0.3000 (0.3500 to 0.3501) | 0.4000 (0.4500 to 0.4501) |" in card
    assert "\n\n\n" not in card


def test_each_row_of_the_cards_tables_has_its_line(tmp_path: Path) -> None:
    _, card = words(tmp_path, found())
    for name in ("patches", "patients", "slides", "regions of overlapping patches", "ROC AUC"):
        assert len([line for line in card.splitlines() if line.startswith(f"| {name} |")]) == 1
    assert "||" not in card


@pytest.mark.parametrize("place", [0, 1], ids=["page", "card"])
def test_what_weakens_the_promise_of_sets_is_said(tmp_path: Path, place: int) -> None:
    metrics = found()
    metrics["evaluate"]["slide_disjoint"] = False
    inputs = write(tmp_path / "inputs", metrics)
    sets = Sets(coverage=0.95, tumour_from=0, no_tumour_from=0.1234)
    decision = Decision(temperature=0.9251, threshold=0.4963, tta="none", sets=sets)
    records.write(inputs.models / "decision.json", decision)
    text = made(tmp_path, inputs)[place]
    assert "too few groups with patches of tumour: every set holds tumour." in text
    assert "Slides are unknown or shared: patches of new slides may be covered less" in text
    assert "holds no tumour" not in text
    assert "With several folds" not in text


def test_the_card_names_the_weights_that_training_started_from(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    _, card = made(tmp_path, inputs)
    assert "Training started from" not in card
    params = inputs.params_path.read_text()
    inputs.params_path.write_text(params.replace("data/no-weights.txt", "/somewhere/dense"))
    _, card = made(tmp_path, inputs)
    assert "Training started from the weights in `dense`. Their licence" in card
    assert "somewhere" not in card


def test_the_card_says_that_the_models_probabilities_are_calibrated(tmp_path: Path) -> None:
    _, card = words(tmp_path, found())
    assert "`models/model.keras` gives calibrated probabilities" in card
    assert "already divided by a temperature of 0.9251" in card


@pytest.mark.parametrize("place", [0, 1], ids=["page", "card"])
def test_unknown_slides_are_warned_of(tmp_path: Path, place: int) -> None:
    metrics = found()
    metrics["evaluate"] |= {"test": part(1000, None), "slide_disjoint": False}
    text = words(tmp_path, metrics)[place]
    assert "over 1,001,000 patches." in text
    assert "Slides are unknown or shared between the parts: these numbers are optimistic." in text
    assert "too narrow" in text


@pytest.mark.parametrize("place", [0, 1], ids=["page", "card"])
def test_few_slides_are_warned_of(tmp_path: Path, place: int) -> None:
    metrics = found()
    metrics["evaluate"]["test"]["num_slides"] = 14
    assert (
        "Test has 14 slides; below 15 the intervals are rough." in words(tmp_path, metrics)[place]
    )


@pytest.mark.parametrize("place", [0, 1], ids=["page", "card"])
def test_without_a_test_part_validation_is_told_with_a_warning(tmp_path: Path, place: int) -> None:
    metrics = found()
    del metrics["evaluate"]["test"]
    text = words(tmp_path, metrics)[place]
    assert "Validation AUC 0.2000" in text
    assert "There is no test part" in text


@pytest.mark.parametrize("way", ["patch", "official"])
def test_what_is_not_kept_together_is_not_claimed_to_be(tmp_path: Path, way: str) -> None:
    metrics = found()
    metrics["split"]["groups"] = "patch" if way == "patch" else "slide"
    inputs = write(tmp_path / "inputs", metrics)
    params = yaml.safe_load(inputs.params_path.read_text())
    params["split"]["official"] = way == "official"
    inputs.params_path.write_text(yaml.safe_dump(params))
    for text in made(tmp_path, inputs):
        assert "Kept whole" not in text
        assert "keeps them together" not in text


def test_slides_of_few_patches_are_not_said_to_hold_one_class(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    path = inputs.plots / "evaluate/slides.csv"
    pd.read_csv(path).assign(num_patches=19).to_csv(path, index=False)
    page, _ = made(tmp_path, inputs)
    assert "No slide of 20 patches or more has a defined AUC" in Page(page).text


def test_patients_are_named_where_they_are_what_is_kept_whole(tmp_path: Path) -> None:
    metrics = found()
    for stage in ("split", "evaluate"):
        metrics[stage] |= {"patient_disjoint": True, "unit": "patient"}
    for name in ("test", "validation"):
        metrics["evaluate"][name]["num_patients"] = 12
        metrics["evaluate"][name]["interval"]["over"] = "patients"
    page, card = words(tmp_path, metrics)
    assert "over 12 patients." in page
    assert "Test has 12 patients; below 15 the intervals are rough." in page
    assert "Kept whole: each patient" in page
    assert "Kept whole: each patient, copies of a patch and" in card
    assert "No patient is in two parts: the network has seen no patch of the patients" in page
    assert "by a jackknife over patients" in page
    assert "by a jackknife over patients" in card
    assert "No slide is in" not in page
    assert "Whether a patient has several slides" not in card


def test_patients_in_two_parts_are_warned_of(tmp_path: Path) -> None:
    metrics = found()
    for stage in ("split", "evaluate"):
        metrics[stage] |= {"patient_disjoint": False, "unit": "patient"}
    page, card = words(tmp_path, metrics)
    assert "Patients are shared between the parts: these numbers are optimistic." in page
    assert "No patient is in" not in page
    assert "No patient is in" not in card


def test_what_is_not_defined_is_said(tmp_path: Path) -> None:
    metrics = found()
    test = metrics["evaluate"]["test"]
    test |= dict.fromkeys(METRICS)
    test["interval"] |= {name: {"low": None, "high": None} for name in METRICS}
    metrics["explain"] |= dict.fromkeys(UNEXPLAINED)
    page, card = words(tmp_path, metrics)
    assert "Test AUC not defined, no interval defined (21 slides)." in page
    assert page.count("not defined") == 2 * len(METRICS) + len(UNCALIBRATED) + len(UNEXPLAINED) + 1
    assert card.count("not defined") == 2 * len(METRICS) + len(UNCALIBRATED) + 3 + 1
    assert "None" not in page + card


def test_broken_rules_stand_first_to_last_by_severity(tmp_path: Path) -> None:
    page, _ = words(tmp_path, found())
    assert "3 rules were checked: 1 met, 1 error and 1 warning." in page
    assert "the-strict-rule ✕ error 9 a-loose-rule ! warning 871 1 rule that is met a-met" in page


@pytest.mark.parametrize("column", ["slide", "stain"])
def test_the_five_worst_of_the_test_part_are_named(tmp_path: Path, column: str) -> None:
    page, _ = words(tmp_path, found())
    section = page.partition(f"{column.capitalize()}s with the lowest AUC, of test")[2]
    rows = section.partition("With tumour ")[2]
    expected = [("NA", 0.91, 7), *((f"{column} {n}", 0.97 - n / 100, n) for n in (5, 4, 3, 2))]
    assert rows.startswith(
        " ".join(f"{name} {auc:.2f} 0.90 {200 + n} {300 + n}" for name, auc, n in expected)
    )
    assert MARKUP not in page


def test_twenty_suspicious_labels_are_shown_of_all(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    ids = pd.read_csv(inputs.data / "suspicious.csv")["id"]
    page, _ = made(tmp_path, inputs)
    assert [id_ in page for id_ in ids] == [True] * 20 + [False] * 10
    assert "The first 20 of 101" in Page(page).text
    assert Page(page).text.count("so it is") == 20


def test_hashes_change_with_pixels_split_and_model(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    page, card = made(tmp_path, inputs)
    for path, change in (
        (
            inputs.data / "inventory.parquet",
            lambda path: pd.DataFrame({"sha1": ["a"] * 31, "pool": "unlabelled"}).to_parquet(path),
        ),
        (inputs.split_path, lambda path: path.write_text("id,label,slide,split\n")),
        (inputs.model_path, lambda path: path.write_bytes(b"another model")),
    ):
        before = path.read_bytes()
        change(path)
        changed = made(tmp_path, inputs)
        assert changed[0] != page
        assert changed[1] != card
        path.write_bytes(before)
    assert made(tmp_path, inputs) == (page, card)


def test_every_figure_is_on_the_page_byte_for_byte(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    new = inputs.plots / "evaluate" / "a-new-one.png"
    shutil.copyfile(inputs.plots / "explain" / "attention.png", new)
    page = Page(made(tmp_path, inputs)[0])
    shown = sorted(base64.b64decode(uri.partition("base64,")[2]) for uri in page.values("src"))
    pngs = [path.read_bytes() for path in inputs.plots.rglob("*.png")]
    history = history_figure.draw([inputs.metrics / "train" / "1-0" / "plots" / "metrics"])
    assert shown == sorted([*pngs, plotting.png(history)])
    assert len(shown) == sum(map(len, FIGURES.values())) + 2
    assert all(tag["alt"] for name, tag in page.tags if name == "img")


def test_a_missing_figure_is_no_error(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    for path in inputs.plots.rglob("*.png"):
        path.unlink()
    assert len(Page(made(tmp_path, inputs)[0]).values("src")) == 1  # the history, drawn here


def test_the_history_shows_each_logged_value_at_its_epoch_counted_from_1(tmp_path: Path) -> None:
    write_history(tmp_path)
    figure = history_figure.draw([tmp_path])
    assert [axes.get_title() for axes in figure.axes] == list(history_figure.METRICS)
    for axes in figure.axes:
        for label, part in LINES.items():
            logged = pd.read_csv(tmp_path / part / f"{axes.get_title()}.tsv", sep="\t")
            (line,) = (line for line in axes.lines if line.get_label() == label)
            assert np.asarray(line.get_xdata()).tolist() == [1, 2, 3]
            assert np.asarray(line.get_ydata()).tolist() == logged[axes.get_title()].tolist()


def test_metrics_of_another_version_stop_with_what_to_do(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    (inputs.metrics / "split.json").write_text(json.dumps({"groups": "slide"}))
    with pytest.raises(InputError, match=r"split\.json is not in the expected form.*`dvc repro`"):
        made(tmp_path, inputs)
    (inputs.metrics / "split.json").unlink()
    with pytest.raises(InputError, match=r"split\.json is missing: `dvc repro` writes it"):
        made(tmp_path, inputs)


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = Page(made(tmp_path, write(tmp_path / "inputs", found()))[0])
    assert all(uri.startswith("data:image/png;base64,") for uri in page.values("src"))
    targets = [uri for uri in page.values("href") if uri.startswith("#")]
    assert set(page.values("href")) == {*targets, "data:,", "validate.html"}
    assert len(targets) == 13
    assert {target.removeprefix("#") for target in targets} <= set(page.values("id"))
    assert "url(" not in page.style
    assert "@import" not in page.style
    loading = {"script", "iframe", "object", "embed", "form", "base"}
    assert not loading & {tag for tag, _ in page.tags}
    policy = next(tag["content"] for _, tag in page.tags if tag.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_what_is_data_stays_text(tmp_path: Path) -> None:
    inputs = write(tmp_path / "inputs", found())
    for path in (inputs.data / "suspicious.csv", inputs.plots / "evaluate" / "slides.csv"):
        table = pd.read_csv(path, keep_default_na=False)
        table.assign(slide=MARKUP, split="test").to_csv(path, index=False)
    page = Page(made(tmp_path, inputs)[0])
    assert page.text.count(MARKUP) == 20 + 5
    assert all(tag != "script" for tag, _ in page.tags)


def browse(page: str, folder: Path) -> dict[str, Any]:
    """What a browser finds on a page, and what its console was told."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    (folder / "probe.html").write_text(PROBE % PHONE, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options += ["--hide-scrollbars", "--allow-file-access-from-files", "--enable-logging=stderr"]
    profile, uri = f"--user-data-dir={folder / 'profile'}", (folder / "probe.html").as_uri()
    result = subprocess.run(
        [browser(), *options, "--dump-dom", profile, uri],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told: dict[str, Any] = json.loads(html.unescape(result.stdout.split("told")[1]))
    return told | {"console": [line for line in result.stderr.splitlines() if ":CONSOLE" in line]}


@pytest.mark.slow
def test_a_browser_shows_every_picture_on_a_phone_and_asks_for_nothing(tmp_path: Path) -> None:
    page, _ = made(tmp_path, write(tmp_path / "inputs", found()))
    told = browse(page, tmp_path)
    assert "Test AUC 0.1000" in told["verdict"]
    assert told["images"] == sum(map(len, FIGURES.values())) + 1  # and the history
    assert told["broken"] == 0
    assert [name for name in told["loaded"] if not name.startswith("data:")] == []
    assert told["console"] == []
    assert told["needed"] <= told["width"] == PHONE


@pytest.mark.slow
def test_a_browser_shows_several_folds_on_a_phone(tmp_path: Path) -> None:
    page, _ = made(tmp_path, several(tmp_path / "inputs", [0, 1, 2, 3, 4]))
    told = browse(page, tmp_path)
    assert told["broken"] == 0
    assert told["console"] == []
    assert told["needed"] <= told["width"] == PHONE


@pytest.mark.slow
def test_the_browser_would_tell_of_a_page_that_is_too_wide_or_asks_for_more(tmp_path: Path) -> None:
    bad = '<p style="width: 500px">wide</p><img src="https://example.org/a.png" alt="">'
    page = made(tmp_path, write(tmp_path / "inputs", found()))[0].replace("<main>", f"<main>{bad}")
    told = browse(page, tmp_path)
    assert told["broken"] == 1
    assert "Content Security Policy" in "".join(told["console"])
    assert told["needed"] > told["width"] == PHONE


def test_drawn_patches_are_called_drawn_on_the_page_in_the_card_and_below_every_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = write(tmp_path / "inputs", found())
    page, card = made(tmp_path / "tissue", inputs)
    assert "drawn" not in Page(page).text
    assert "drawn" not in card
    assert "tissue" in card
    capsys.readouterr()
    provenance.write(
        inputs.data / "tables" / "source.json",
        provenance.Provenance(name="the demo", is_drawn=True),
    )
    page, card = made(tmp_path / "drawn", inputs)
    assert "These patches are drawn. No tissue was seen: the demo makes pictures" in Page(page).text
    assert '<div class="verdict good"' not in page
    num_figures = sum(map(len, FIGURES.values())) + 1  # and the history
    assert Page(page).text.count(provenance.NOTE) == page.count("<figure") == num_figures
    assert card.index("**Drawn data.**") < card.index("## Model")
    assert "patients' tissue" not in card
    assert "warning: The patches are drawn (the demo)" in capsys.readouterr().out


def several(folder: Path, folds: list[int]) -> Inputs:
    """What the report reads of an ensemble of two seeds with these folds."""
    metrics = found()
    keys = [(seed, fold) for seed in (1, 2) for fold in folds]
    metrics["evaluate"]["members"] = [
        {"seed": seed, "fold": fold, "test": 0.61 + row / 1000, "validation": 0.71 + row / 1000}
        for row, (seed, fold) in enumerate(keys)
    ]
    inputs = write(folder, metrics)
    first = inputs.metrics / "train" / "1-0"
    for row, (seed, fold) in enumerate(keys):
        other = first.with_name(f"{seed}-{fold}")
        if other != first:
            shutil.copytree(first, other)
        trained = metrics["train"] | {"step": 30 + row, "best_epoch": 20 + row}
        (other / "metrics.json").write_text(json.dumps(trained))
    params = yaml.safe_load(inputs.params_path.read_text())
    params["train"] |= {"seeds": [1, 2], "folds": folds}
    params["split"]["folds"] = max(folds) + 1 if len(folds) > 1 else None
    inputs.params_path.write_text(yaml.safe_dump(params))
    return inputs


def test_members_stand_beside_their_ensemble(tmp_path: Path) -> None:
    page, card = made(tmp_path, several(tmp_path / "inputs", [0]))
    text = Page(page).text
    assert "The model is the mean of the logits of 2 members, one for each seed." in text
    assert "seed 1 30 20 0.6100 0.7100 seed 2 31 21 0.6110 0.7110 all members 0.1000 0.2000" in text
    assert "out-of-fold" not in page + card
    assert "Training ended after" not in text
    assert "| seed 2 | 0.6110 | 0.7110 | 31 | 21 |\n| all members | 0.1000 | 0.2000 | | |" in card
    assert "The logit is the mean over 2 members, one for each seed (1, 2).\n" in card
    assert "Trained for" not in card
    assert "\n\n\n" not in card


def test_with_folds_the_page_and_the_card_say_that_validation_is_out_of_fold(
    tmp_path: Path,
) -> None:
    page, card = made(tmp_path, several(tmp_path / "inputs", [0, 1]))
    text = Page(page).text
    assert "the mean of the logits of 4 members, one for each seed and fold." in text
    assert "Validation is out-of-fold" in text
    assert "seed 2, fold 1 33 23 0.6130 0.7130 all members" in text
    assert "each of its patches is scored only by the members that didn't train on it." in card
    assert "| seed 1, fold 1 | 0.6110 | 0.7110 | 31 | 21 |" in card
    assert "\n\n\n" not in card


def test_the_history_of_several_members_has_a_line_for_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_history(tmp_path / name)
    figure = history_figure.draw([tmp_path / "a", tmp_path / "b"])
    assert [len(axes.lines) for axes in figure.axes] == [2 * len(LINES)] * 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(LINES)
