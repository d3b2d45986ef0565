"""Tests of `metastasis.sources`: what a source is, is found out by looking."""

from pathlib import Path

import pytest

from metastasis import sources
from metastasis.errors import InputError


def test_entries_are_in_the_order_of_pool_and_name(source: Path) -> None:
    entries = sources.open_source(source).entries()
    assert [entry.pool for entry in entries] == ["labelled"] * 20 + ["test"] * 4
    assert [entry.id for entry in entries[:20]] == sorted(entry.id for entry in entries[:20])
    assert all(entry.is_named_as_image for entry in entries)


def test_only_tables_that_are_there_are_returned(source: Path) -> None:
    (source / "slides.csv").unlink()
    tables = sources.open_source(source).tables()
    assert set(tables) == {"train_labels.csv", "sample_submission.csv"}


def test_a_folder_of_another_layout_is_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "readme.md").touch()
    with pytest.raises(InputError, match=r"no train and no train_labels\.csv.*Found: readme\.md"):
        sources.open_source(tmp_path)


def test_a_folder_without_labels_is_told_that_alone(source: Path) -> None:
    (source / "train_labels.csv").unlink()
    with pytest.raises(InputError, match=r"holds no train_labels\.csv; expected"):
        sources.open_source(source)


def test_a_file_is_no_source(source: Path) -> None:
    with pytest.raises(InputError, match=r"train_labels\.csv is a file; expected a folder"):
        sources.open_source(source / "train_labels.csv")
