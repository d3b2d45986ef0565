"""Tests of `metastasis.opening`: what a source is, is found out by looking."""

import zipfile
from pathlib import Path

import pytest
from test_kaggle_zip import zipped
from test_pcam_files import write_pcam

from metastasis import opening
from metastasis.errors import InputError
from metastasis.kaggle_folder import KaggleFolder
from metastasis.kaggle_zip import KaggleZip
from metastasis.pcam_files import PcamFiles


def test_each_layout_is_known_by_its_looks(source: Path, tmp_path: Path) -> None:
    write_pcam(tmp_path / "pcam")
    assert isinstance(opening.open_source(source), KaggleFolder)
    assert isinstance(opening.open_source(zipped(source, tmp_path / "k.zip")), KaggleZip)
    assert isinstance(opening.open_source(zipped(source, tmp_path / "unnamed")), KaggleZip)
    assert isinstance(opening.open_source(tmp_path / "pcam"), PcamFiles)


def test_a_folder_of_another_layout_is_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "readme.md").touch()
    with pytest.raises(InputError, match=r"no train and no train_labels\.csv.*Found: readme\.md"):
        opening.open_source(tmp_path)


def test_a_folder_without_labels_is_told_that_alone(source: Path) -> None:
    (source / "train_labels.csv").unlink()
    with pytest.raises(InputError, match=r"holds no train_labels\.csv; expected"):
        opening.open_source(source)


def test_a_file_that_is_no_zip_is_no_source(source: Path) -> None:
    with pytest.raises(InputError, match=r"train_labels\.csv is a file and no zip; expected"):
        opening.open_source(source / "train_labels.csv")


def test_a_device_is_no_source() -> None:
    with pytest.raises(InputError, match="/dev/null is neither a file nor a folder; expected"):
        opening.open_source(Path("/dev/null"))


def test_a_download_that_is_under_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "camelyonpatch_level_2_split_train_x.h5.gz.partial").touch()
    with pytest.raises(InputError, match=r"Found: camelyonpatch_\S*\.h5\.gz\.partial"):
        opening.open_source(tmp_path)


def test_what_is_not_there_is_told_from_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist; expected Kaggle's zip"):
        opening.open_source(tmp_path / "nowhere")


def test_a_zip_of_something_else_is_told_what_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("photos/cat.jpg", b"")
    with pytest.raises(InputError, match=r"holds no train_labels\.csv.*Found: photos"):
        opening.open_source(tmp_path / "x.zip")
