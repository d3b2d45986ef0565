"""Tests with real DVC of sources and values that users have: bad, packed, mended, oddly named."""

import json
import os
import shutil
from pathlib import Path

import pytest

from helpers.files import ROOT
from helpers.kaggle import zipped
from helpers.pcam import SIZES, pack, write_pcam
from helpers.projects import edit, put_back, ran, run

REPRO = ROOT / "scripts/repro.sh"  # of `make repro` and `make check`


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
@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("data", "source", None, "data.source is empty (null): should be a valid string"),
        ("data", "listed", None, "data.listed is empty (null): should be a valid dictionary"),
        ("train", "seeds", 2, "train.seeds is 2: should be a valid list"),
    ],
)
def test_a_value_that_dvc_cannot_put_into_the_pipeline_is_named_by_make(
    project: Path, section: str, key: str, value: object, message: str
) -> None:
    """DVC ends before any stage, with an error of its own."""
    edit(project, section, key, value)
    assert message not in run(project, "dvc", "repro", is_ok=False).stdout
    for target in ([], ["check"]):
        assert message in run(project, str(REPRO), *target, is_ok=False).stdout


@pytest.mark.slow
def test_make_adds_nothing_where_it_is_said_what_is_wrong(project: Path) -> None:
    """By a stage, or by DVC itself of a pipeline that was edited."""
    edit(project, "train", "epochs", "many")
    printed = run(project, str(REPRO), is_ok=False).stdout
    assert printed.count("train.epochs is 'many'") == 1
    put_back(project)
    pipeline, other = project / "dvc.yaml", project / "models/members/7-0.keras"
    pipeline.write_text(pipeline.read_text().replace("    desc:", "    dessc:", 1))
    other.touch()
    alone = run(project, "dvc", "repro", is_ok=False).stdout
    assert "extra keys not allowed" in alone
    assert run(project, str(REPRO), is_ok=False).stdout == alone
    assert other.exists()


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
