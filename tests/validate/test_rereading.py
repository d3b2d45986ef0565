"""Tests of `validate.rereading`: what was mended is noticed, what is as it was says nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from helpers.ingesting import ingest
from helpers.kaggle import zipped
from helpers.pcam import SIZES, name, write_array, write_pcam
from metastasis.validate import rereading


def rows(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "inventory.parquet")


def changed(source: Path, out: Path) -> list[str]:
    return rereading.changed(source, rows(out), out / "tables")


def damage(path: Path) -> None:
    """Change a byte of the pixels, and nothing of the file's size and time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_source_that_is_as_it_was_says_nothing(source: Path, tmp_path: Path) -> None:
    damage(min((source / "train").iterdir()))
    ingest(source, tmp_path / "out")
    assert changed(source, tmp_path / "out") == []


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_patch_that_was_mended_is_named(source: Path, tmp_path: Path, *, is_zip: bool) -> None:
    victim = min((source / "train").iterdir())
    good = victim.read_bytes()
    damage(victim)
    read = zipped(source, tmp_path / "k.zip") if is_zip else source
    ingest(read, tmp_path / "out")
    victim.write_bytes(good)
    if is_zip:
        zipped(source, read)
    assert changed(read, tmp_path / "out") == [f"train/{victim.name}"]


def test_only_the_rows_asked_for_are_read(source: Path, tmp_path: Path) -> None:
    ingest(source, tmp_path / "out")
    first, second = sorted((source / "train").iterdir())[:2]
    for path in (first, second):
        damage(path)
    inventory = rows(tmp_path / "out")
    asked = inventory[inventory["id"] == second.stem]
    assert rereading.changed(source, asked, tmp_path / "out" / "tables") == [f"train/{second.name}"]
    nothing = inventory.head(0)
    assert rereading.changed(source, nothing, tmp_path / "out" / "tables") == []


def test_a_label_table_that_was_mended_is_named(source: Path, tmp_path: Path) -> None:
    ingest(source, tmp_path / "out")
    path = source / "train_labels.csv"
    path.write_text(path.read_text().replace(",1", ",0", 1))
    assert changed(source, tmp_path / "out") == ["train_labels.csv"]


def test_a_row_of_hdf5_files_that_was_mended_is_named(tmp_path: Path) -> None:
    patches = write_pcam(tmp_path / "pcam")
    ingest(tmp_path / "pcam", tmp_path / "out")
    values = patches["valid"]
    values[2, 5, 5] ^= 1
    write_array(tmp_path / "pcam" / f"{name('valid', 'x')}.h5", "x", values)
    assert SIZES["valid"] > 2
    assert changed(tmp_path / "pcam", tmp_path / "out") == ["valid/2"]


@pytest.mark.parametrize("becomes", ["gone", "something else"])
def test_a_source_that_cannot_be_opened_any_more_says_nothing(
    source: Path, tmp_path: Path, becomes: str
) -> None:
    ingest(source, tmp_path / "out")
    shutil.rmtree(source)
    if becomes == "something else":
        source.write_text("hello")
    assert changed(source, tmp_path / "out") == []


@pytest.mark.parametrize("count", [1, 30])
def test_the_command_that_is_given_renews_the_times_of_what_was_mended(
    tmp_path: Path, count: int
) -> None:
    folder = tmp_path / "my patches"
    folder.mkdir()
    paths = [folder / f"it's {number}.tif" for number in range(count)]
    for path in paths:
        path.touch()
        os.utime(path, (0, 0))
    advice = rereading.advice(folder, [path.name for path in paths])
    command = next(line for line in advice.splitlines() if line.startswith(("  touch", "  find")))
    subprocess.run(command, shell=True, check=True)  # noqa: S602  # as a user would run it
    assert all(path.stat().st_mtime > 0 for path in paths)
    assert advice.startswith(
        f"the source has changed since `ingest` read it ({count} found: it's 0"
    )
