"""Tests of `formats.opening`: what a source is, is found out by looking."""

import shutil
import zipfile
from pathlib import Path

import pytest

from helpers.files import lock
from helpers.kaggle import zipped
from helpers.pcam import write_pcam
from metastasis.base.errors import InputError
from metastasis.formats import kaggle_folder, opening
from metastasis.formats.kaggle_folder import KaggleFolder
from metastasis.formats.kaggle_zip import KaggleZip
from metastasis.formats.pcam_files import PcamFiles


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
    with pytest.raises(InputError, match=r"train_labels\.csv is a file but not a zip; expected"):
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


def test_a_folder_that_holds_just_the_zip_gives_what_the_zip_gives(
    source: Path, tmp_path: Path
) -> None:
    outer = tmp_path / "downloads"
    outer.mkdir()
    zipped(source, outer / "histopathologic-cancer-detection.zip")
    found = opening.open_source(outer)
    assert isinstance(found, KaggleZip)
    assert len(found.entries()) == 24


def test_a_folder_that_cannot_be_listed_is_named_and_the_data_beside_it_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pcam(tmp_path / "pcam")
    for folder in (source, tmp_path / "pcam"):
        lock(folder / "lost+found", monkeypatch)
        opened = opening.open_source(folder)
        assert len(opened.entries()) > 0
        assert opened.strays() == ["lost+found/ (Permission denied)"]


def test_data_in_a_folder_that_cannot_be_listed_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(tmp_path / "inner", monkeypatch)
    with pytest.raises(InputError, match=r"holds no train.*Found: inner \(Permission denied\)\."):
        opening.open_source(tmp_path)


def test_labels_are_found_among_any_number_of_other_files(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaggle_folder, "MAX_LISTED", 0)  # the limit is that of subfolders
    assert len(opening.open_source(source).entries()) == 24


@pytest.mark.parametrize("is_pcam", [False, True])
def test_a_folder_one_level_too_high_is_read(
    source: Path, tmp_path: Path, *, is_pcam: bool
) -> None:
    """As torchvision's root is, with its folder pcam."""
    outer = tmp_path / "outer"
    outer.mkdir()
    if is_pcam:
        write_pcam(outer / "pcam")
    else:
        shutil.copytree(source, outer / "histopathologic-cancer-detection")
    found = opening.open_source(outer)
    assert isinstance(found, PcamFiles if is_pcam else KaggleFolder)
    assert len(found.entries()) == (15 if is_pcam else 24)


def test_folders_of_classes_without_a_label_table_are_a_source(source: Path) -> None:
    (source / "train" / "0").mkdir()
    (source / "train_labels.csv").unlink()
    assert isinstance(opening.open_source(source), KaggleFolder)


def test_of_several_data_sets_in_a_folder_all_are_named(source: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    shutil.copytree(source, outer / "kaggle")
    zipped(source, outer / "kaggle.zip")
    write_pcam(outer / "pcam")
    message = r"several data sets \(kaggle, kaggle\.zip, PatchCamelyon's HDF5 files\)"
    with pytest.raises(InputError, match=message):
        opening.open_source(outer)


def test_images_beside_the_label_table_are_counted_where_they_lie(source: Path) -> None:
    for path in list((source / "train").iterdir()):
        path.rename(source / path.name)
    (source / "train").rmdir()
    with pytest.raises(InputError, match=r"no train; .*Images: 20 named \*\.tif at the top"):
        opening.open_source(source)


def test_a_label_table_within_train_is_named(source: Path) -> None:
    (source / "train_labels.csv").rename(source / "train" / "train_labels.csv")
    with pytest.raises(InputError, match=r"no train_labels\.csv; .*is in train/, but belongs"):
        opening.open_source(source)


@pytest.mark.parametrize("what", ["source", "slides"])
def test_in_the_copy_of_an_experiment_an_untracked_path_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    copy = tmp_path / ".dvc/tmp/exps/tmp1"
    copy.mkdir(parents=True)
    (tmp_path / "raw").mkdir()
    monkeypatch.chdir(copy)
    opened = opening.open_source if what == "source" else opening.check_slides
    with pytest.raises(InputError) as caught:
        opened(Path("raw"))
    message = str(caught.value)
    assert f"runs in a copy of the project ({copy}), which holds only what git or DVC" in message
    assert f"give the absolute path ({tmp_path / 'raw'})" in message
    assert "`git add raw` or `dvc add raw`" in message
    with pytest.raises(InputError) as caught:
        opened(tmp_path / "nowhere")
    assert "copy of the project" not in str(caught.value)


def test_a_packed_train_folder_is_named_as_to_be_unpacked(source: Path) -> None:
    shutil.rmtree(source / "train")
    (source / "train.zip").touch()
    with pytest.raises(InputError, match=r"no train; .*Unpack train\.zip into train/"):
        opening.open_source(source)


def test_a_zip_of_patchcamelyon_is_told_to_be_unpacked(tmp_path: Path) -> None:
    """Kaggle delivers its mirror as one zip."""
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("pcam/training_split.h5", b"")
    for path in (tmp_path, tmp_path / "archive.zip"):
        with pytest.raises(InputError, match=r"PatchCamelyon's files: unpack them and name their"):
            opening.open_source(path)
