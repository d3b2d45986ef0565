"""Tests of the command `info`: what it says is what the card and the decision say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.model_folders import described, write_model
from metastasis import __main__, members
from metastasis.base import files, records
from metastasis.results import card as cards
from metastasis.results.card import Card, Scored, TrainedMember
from metastasis.results.decision import Decision, Sets


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder, which no test changes."""
    return write_model(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as wide a terminal as it gets, and no project around."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(made, tmp_path / "model")


def shown(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what `info` prints, its lines joined as a reader does."""
    assert __main__.main(["info", str(folder), *options]) == 0
    return capsys.readouterr().out


def joined(text: str) -> str:
    return " ".join(text.split())


def describe(folder: Path, decision: Decision | None = None, **changes: object) -> None:
    """Write another card, and perhaps another decision, that fit each other."""
    if decision:
        records.write(folder / "decision.json", decision)
    card = Card.model_validate(described(folder).model_dump() | changes)
    cards.write(folder / "card.json", card)


def test_one_screen_says_what_a_model_takes_gives_and_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(folder, capsys)
    assert len(text.splitlines()) <= 20
    assert max(map(len, text.splitlines())) <= 100
    for said in (
        "Not a medical device; not for diagnosis.",
        "patches of 96x96 pixels at 0.972 um a pixel (93 um wide), RGB, 0 to 255; it sees",
        "sees the central 32x32 pixels",
        "calibrated by a temperature of 1.5 called tumour from a probability of 0.42",
        "network compact, seed 1",
        "on 2,400 patches of a folder epochs 10, learning_rate 0.003",
        "test AUC 0.949 (95 %: 0.920 to 0.968) on 800 patches of 19 slides sensitivity 0.900",
        "sensitivity 0.900 (95 %: 0.850 to 0.930), specificity 0.880 validation AUC",
        "files intact: ",
    ):
        assert said in joined(text)
    assert "drawn" not in text
    assert "flips" not in text


def test_drawn_data_sets_flips_weights_and_notes_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = Sets(coverage=0.95, tumour_from=0.125, no_tumour_from=0.25)
    weights = members.InitialWeights(name="densenet.h5", sha256="1" * 64)
    source = {"name": "the project's demo", "is_drawn": True, "pixels": "0" * 64}
    describe(
        folder,
        Decision(tta="d4", temperature=1.5, threshold=0.42, sets=sets),
        tta="d4",
        source=source,
        initial_weights=weights,
        notes=("Test has 10 slides; below 15 the intervals are rough.",),
    )
    text = joined(shown(folder, capsys))
    assert "drawn data it learnt from the project's demo, whose patches were drawn" in text
    assert "from the mean over the 8 flips and turns" in text
    assert "in 95.0 % of new cases: tumour from 0.125, no tumour up to 0.75; a patch whose" in text
    assert "from the weights in densenet.h5" in text
    assert "note Test has 10 slides; below 15 the intervals are rough." in text


def test_an_ensemble_names_its_members(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several = [TrainedMember(seed=7, fold=fold, num_patches=2000) for fold in (0, 1, 4)]
    describe(folder, members=several)
    assert "the mean of 3 members (seeds 7; folds 0, 1, 4)" in joined(shown(folder, capsys))


def test_without_a_test_part_or_slides_it_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = described(folder).measured.validation.model_dump()
    unknown = Scored.model_validate(known | {"over": "regions", "num_units": 700})
    describe(folder, measured={"validation": unknown})
    text = joined(shown(folder, capsys))
    assert "test AUC" not in text
    assert "on 800 patches, of slides that are mostly unknown" in text


def test_json_is_the_card_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(shown(folder, capsys, "--json"))
    assert Card.model_validate(printed) == cards.read(folder / "card.json")


def test_a_folder_that_is_not_whole_ends_with_two_and_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "decision.json").write_text("{}")
    assert __main__.main(["info", str(folder)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("info: ")
    assert f"{files.sha256(folder / 'decision.json')}, expected" in captured.err
    assert captured.err.count("\n") == 1


def test_without_a_name_it_reads_the_projects_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(["info"]) == 2
    assert "models is missing; expected a folder with model.keras" in capsys.readouterr().err
    folder.rename(folder.parent / "models")
    assert __main__.main(["info"]) == 0
    assert "models: tumour in the central" in capsys.readouterr().out


def test_whoever_reads_only_the_first_lines_sees_no_traceback(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "metastasis", "info", folder],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert result.stderr == ""
    assert result.returncode == 141
