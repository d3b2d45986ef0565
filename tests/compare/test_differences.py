"""Tests of `compare.differences` on two folders made by hand."""

from pathlib import Path

import pytest

from helpers.sides import make
from metastasis.base.errors import InputError
from metastasis.compare import differences


@pytest.fixture
def base(tmp_path: Path) -> Path:
    evaluated = {
        "slide_disjoint": True,
        "test": {"roc_auc": 0.96, "f1": 0.9, "interval": {"f1": {"low": 0.8, "high": None}}},
    }
    return make(
        tmp_path / "base",
        {"evaluate.json": evaluated, "train/metrics.json": {"best": {"epoch": 7}}},
        {"train": {"model": "p4m", "seed": 1}, "data": {"source": "a|b"}},
    )


def test_only_what_changed_is_shown_with_its_change(base: Path, tmp_path: Path) -> None:
    evaluated = {
        "slide_disjoint": False,
        "test": {"roc_auc": 0.9712, "f1": 0.9, "interval": {"f1": {"low": 0.8, "high": 0.97}}},
        "new": None,
    }
    head = make(
        tmp_path / "head",
        {"evaluate.json": evaluated, "train/metrics.json": {"best": {"epoch": 5}}},
        {"train": {"model": "p4m", "seed": 2, "new": 0.5}},
    )
    assert differences.metrics(base, head) == (
        "| metric | base | head | change |\n"
        "|---|---|---|---|\n"
        "| evaluate.json: slide_disjoint | True | False |  |\n"
        "| evaluate.json: test.roc_auc | 0.96 | 0.9712 | +0.0112 |\n"
        "\n"
        "<details><summary>2 other metrics</summary>\n"
        "\n"
        "| metric | base | head | change |\n"
        "|---|---|---|---|\n"
        "| evaluate.json: test.interval.f1.high | - | 0.97 |  |\n"
        "| train/metrics.json: best.epoch | 7 | 5 | -2 |\n"
        "\n"
        "</details>\n"
    )
    assert differences.params(base, head) == (
        "| param | base | head | change |\n"
        "|---|---|---|---|\n"
        "| data.source | a\\|b | - |  |\n"
        "| train.seed | 1 | 2 | +1 |\n"
        "| train.new | - | 0.5 |  |\n"
    )


def test_equal_folders_have_no_differences(base: Path) -> None:
    assert differences.metrics(base, base) == "No metric of evaluate.json changed.\n"
    assert differences.params(base, base) == "No param changed.\n"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("0.003", "1e-05", "| train.rate | 0.003 | 1e-05 | -0.00299 |"),
        ("1e-3", "0.001", "No param"),
        ("100000", "223456", "| train.rate | 100000 | 223456 | +123,456 |"),
    ],
)
def test_a_rate_is_a_number_however_it_is_written(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    folders = tmp_path / "base", tmp_path / "head"
    for folder, text in zip(folders, (before, after), strict=True):
        folder.mkdir()
        (folder / "params.yaml").write_text(f"train: {{rate: {text}}}\n")
    assert said in differences.params(*folders)


def test_a_table_is_cut_to_what_a_comment_takes(base: Path, tmp_path: Path) -> None:
    many = {f"rule-{number}": 0.123456 for number in range(1000)}
    head = make(tmp_path / "head", {"validate.json": many, "evaluate.json": many}, {})
    text = differences.metrics(base, head)
    assert "and 852 more" in text
    assert len(text) < 20_000


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("metrics/evaluate.json", r"evaluate\.json is not JSON: Expecting value.* Reproduce"),
        ("params.yaml", r"params\.yaml is missing: run in the folder of dvc\.yaml, or restore"),
    ],
)
def test_a_broken_folder_is_told(base: Path, tmp_path: Path, broken: str, message: str) -> None:
    head = make(tmp_path / "head", {"evaluate.json": {"f1": 0.9}}, {})
    (head / broken).write_text("")
    if broken == "params.yaml":
        (head / broken).unlink()
    with pytest.raises(InputError, match=message):
        differences.metrics(base, head) + differences.params(base, head)


def test_a_folder_without_metrics_is_told(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no metrics; run `dvc repro`"):
        differences.metrics(base, make(tmp_path / "head", {}, {}))
