"""Tests of `formats.kaggle_folder`: every image is an entry, and every other file is named."""

import gzip
import os
import shutil
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest

from helpers.kaggle import by_class
from metastasis.base.errors import InputError
from metastasis.formats import kaggle_folder
from metastasis.formats.kaggle_folder import KaggleFolder
from metastasis.formats.sources import MAX_FILE_BYTES, Content, Flaw


def packed(content: bytes, packing: str) -> bytes:
    """The content as it is, or packed as the ending says."""
    if packing == ".gz":
        return gzip.compress(content)
    if packing == ".zip":
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("table.csv", content)
        return stream.getvalue()
    return content


def contents(folder: KaggleFolder) -> dict[tuple[str, str], Content]:
    """What is read of each image, by its pool and id."""
    entries = folder.entries()
    read = folder.read(entries)
    return {(entry.pool, entry.id): content for entry, content in zip(entries, read, strict=True)}


def flaws(source: Path) -> dict[str, Flaw]:
    """What is found of each entry that is no readable file, by its name in the source."""
    folder = KaggleFolder(source)
    entries = folder.entries()
    listed = {entry.name: entry.flaw for entry in entries if entry.flaw}
    sound = [entry for entry in entries if not entry.flaw]
    read = zip(sound, folder.read(sound), strict=True)
    return listed | {entry.name: content for entry, content in read if isinstance(content, Flaw)}


def test_entries_are_in_the_order_of_pool_and_name(source: Path) -> None:
    entries = KaggleFolder(source).entries()
    assert [entry.pool for entry in entries] == ["labelled"] * 20 + ["unlabelled"] * 4
    assert [entry.id for entry in entries[:20]] == sorted(entry.id for entry in entries[:20])
    assert entries[0].name == f"train/{entries[0].id}.tif"


def test_the_bytes_of_each_entry_are_read_in_its_order(source: Path) -> None:
    folder = KaggleFolder(source)
    entries = folder.entries()[::-1]
    expected = [(source / entry.name).read_bytes() for entry in entries]
    assert list(folder.read(entries)) == expected


def test_only_tables_that_are_there_are_returned(source: Path) -> None:
    (source / "slides.csv").unlink()
    assert set(KaggleFolder(source).tables()) == {"train_labels.csv", "sample_submission.csv"}


@pytest.mark.parametrize("name", ["patch_id_wsi_full.csv", "patch_id_wsi.csv", "Slides.CSV"])
@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
def test_a_slide_map_is_known_by_each_of_its_names_packed_or_not(
    source: Path, name: str, packing: str
) -> None:
    expected = (source / "slides.csv").read_bytes()
    (source / "slides.csv").unlink()
    (source / f"{name}{packing}").write_bytes(packed(expected, packing))
    folder = KaggleFolder(source)
    assert folder.tables()["slides.csv"] == expected
    assert folder.strays() == []


@pytest.mark.parametrize("name", ["train_labels.csv", "sample_submission.csv"])
@pytest.mark.parametrize("packing", [".gz", ".zip"])
def test_tables_are_read_as_kaggles_client_delivers_them(
    source: Path, name: str, packing: str
) -> None:
    expected = (source / name).read_bytes()
    (source / name).rename(source / f"{name}{packing}")
    (source / f"{name}{packing}").write_bytes(packed(expected, packing))
    assert KaggleFolder(source).tables()[name] == expected


def test_a_zip_under_the_name_of_its_table_is_unpacked(source: Path) -> None:
    path = source / "train_labels.csv"
    expected = path.read_bytes()
    path.write_bytes(packed(expected, ".zip"))
    assert KaggleFolder(source).tables()["train_labels.csv"] == expected


def test_two_label_tables_pass_only_if_they_say_the_same(source: Path) -> None:
    other = source / "train_labels.csv.gz"
    other.write_bytes(packed((source / "train_labels.csv").read_bytes(), ".gz"))
    folder = KaggleFolder(source)
    assert set(folder.tables()) == {"train_labels.csv", "sample_submission.csv", "slides.csv"}
    assert folder.strays() == ["train_labels.csv.gz (not read: train_labels.csv is)"]
    other.write_bytes(packed(b"id,label\nx,1\n", ".gz"))
    with pytest.raises(
        InputError, match=r"^table-twice: train_labels\.csv and train_labels\.csv\.gz"
    ):
        KaggleFolder(source).tables()


@pytest.mark.parametrize(
    ("name", "separator"),
    [("my map.csv", b","), ("my map.csv.gz", b","), ("map.TSV", b"\t"), ("map.txt", b";")],
)
def test_a_stray_that_looks_like_a_slide_map_is_called_so(
    source: Path, name: str, separator: bytes
) -> None:
    content = (source / "slides.csv").read_bytes().replace(b"id,slide", b"Image_ID,wsi")
    (source / "slides.csv").unlink()
    content = content.replace(b",", separator)
    (source / name).write_bytes(packed(content, ".gz" if name.endswith(".gz") else ""))
    (source / "others.csv").write_text("id,age\n")
    (source / "slides.xlsx").touch()
    found, other, workbook = KaggleFolder(source).strays()
    assert found == (
        f"{name} (looks like a slide map: name it slides.csv or set data.slides; it has to be in "
        "UTF-8, separated by commas)"
    )
    assert other == "others.csv"
    assert workbook == (
        "slides.xlsx (a workbook, which isn't read: if it holds the slide map, save its sheet as "
        "slides.csv)"
    )


def test_a_stray_that_cannot_be_read_is_named(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _: str) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    (source / "notes.csv").touch()
    monkeypatch.setattr(Path, "open", refuse)  # tests may run as root, who may read everything
    assert KaggleFolder(source).strays() == ["notes.csv"]


@pytest.mark.parametrize(
    "name",
    ["train/{}.TIF", "train/{}.tiff", "train/{}.TIFF", "train/images/{}.tif", "Train/{}.tif",
     "train/train/{}.tif"],
)  # fmt: skip
def test_the_same_images_are_found_under_other_names(source: Path, name: str) -> None:
    expected = contents(KaggleFolder(source))
    (source / "train").rename(source / "old")
    for path in sorted((source / "old").iterdir()):
        target = source / name.format(path.stem)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    (source / "old").rmdir()
    assert contents(KaggleFolder(source)) == expected
    assert KaggleFolder(source).strays() == []


@pytest.mark.parametrize("has_table", [False, True])
def test_folders_of_classes_say_the_labels(source: Path, *, has_table: bool) -> None:
    expected = pd.read_csv(source / "train_labels.csv", dtype="str").sort_values("id")
    by_class(source)
    if not has_table:
        (source / "train_labels.csv").unlink()
    table = KaggleFolder(source).tables()["train_labels.csv"]
    found = pd.read_csv(BytesIO(table), dtype="str").sort_values("id")
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()


def test_a_table_that_contradicts_the_folders_is_refused(source: Path) -> None:
    by_class(source)
    victim = min((source / "train" / "0").iterdir())
    victim.rename(source / "train" / "1" / victim.name)
    message = f"^labels-folders: 1 of 20 images .* {victim.stem} is in 1/ but 0 in the table"
    with pytest.raises(InputError, match=message):
        KaggleFolder(source).tables()


def test_without_a_table_an_image_outside_the_folders_of_classes_is_named(source: Path) -> None:
    by_class(source)
    (source / "train_labels.csv").unlink()
    (source / "train" / "x.tif").touch()
    with pytest.raises(InputError, match=r"^labels-folders: .* 1 of 21 .* \(train/x\.tif\)"):
        KaggleFolder(source).tables()


def test_an_id_in_two_folders_or_under_two_endings_is_one_entry_with_a_flaw(source: Path) -> None:
    by_class(source)
    first, second = sorted((source / "train" / "0").iterdir())[:2]
    shutil.copyfile(first, source / "train" / "1" / first.name)
    shutil.copyfile(second, second.with_suffix(".png"))
    assert flaws(source) == {
        f"train/0/{first.name}": Flaw(
            "repeated", f"2 files with this id: train/0/{first.name}, train/1/{first.name}"
        ),
        f"train/0/{second.stem}.png": Flaw(
            "repeated", f"2 files with this id: train/0/{second.stem}.png, train/0/{second.name}"
        ),
    }


def test_folders_of_classes_in_test_are_named_as_not_read(source: Path) -> None:
    (source / "test" / "0").mkdir()
    (source / "test" / "0" / "x.tif").touch()
    assert KaggleFolder(source).strays() == ["test/0/ (a folder of 1, such as x.tif)"]


def test_a_folder_one_level_too_high_gives_what_the_inner_one_gives(
    source: Path, tmp_path: Path
) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "notes.txt").touch()
    shutil.copytree(source, outer / "inner")
    assert kaggle_folder.tops(outer) == ["inner/"]
    folder = KaggleFolder(outer, "inner/")
    assert contents(folder) == contents(KaggleFolder(source))
    assert folder.tables() == KaggleFolder(source).tables()
    assert folder.strays() == ["notes.txt"]


def test_of_two_slide_maps_the_one_that_is_not_read_is_named(source: Path) -> None:
    (source / "patch_id_wsi_full.csv").write_text("id,wsi\n")
    folder = KaggleFolder(source)
    assert folder.tables()["slides.csv"] == (source / "slides.csv").read_bytes()
    assert folder.strays() == ["patch_id_wsi_full.csv (not read: slides.csv is)"]


def test_what_is_neither_image_nor_table_is_a_stray_and_no_entry(source: Path) -> None:
    id_ = min((source / "train").iterdir()).stem
    for name in ("readme.md", "train/notes.txt", f"train/{id_}", "test/.DS_Store"):
        (source / name).write_text("hello")
    folder = KaggleFolder(source)
    assert folder.strays() == ["readme.md", f"train/{id_}", "train/notes.txt", "test/.DS_Store"]
    assert len(folder.entries()) == 24


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such a name")
def test_a_name_that_is_no_unicode_is_a_stray(source: Path) -> None:
    Path(os.fsdecode(bytes(source / "train") + b"/caf\xe9.tif")).touch()
    folder = KaggleFolder(source)
    assert folder.strays() == ["train/caf\N{REPLACEMENT CHARACTER}.tif"]
    assert len(folder.entries()) == 24


def test_what_cannot_be_read_is_an_entry_with_its_flaw(source: Path, tmp_path: Path) -> None:
    train = source / "train"
    (train / "folder.tif").mkdir()
    (train / "broken.tif").symlink_to(tmp_path / "nowhere")
    os.mkfifo(train / "pipe.tif")
    (train / "loop.tif").symlink_to("loop.tif")
    with (train / "large.tif").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert flaws(source) == {
        "train/folder.tif": Flaw("readable", "not a file"),
        "train/broken.tif": Flaw("readable", "not a file"),
        "train/pipe.tif": Flaw("readable", "not a file"),
        "train/loop.tif": Flaw("readable", "not readable: Too many levels of symbolic links"),
        "train/large.tif": Flaw("bytes", "16,777,217 bytes, expected at most 16,777,216"),
    }


def test_a_file_that_vanished_after_the_listing_has_a_flaw(source: Path) -> None:
    folder = KaggleFolder(source)
    entries = folder.entries()[:1]
    (source / entries[0].name).unlink()
    assert list(folder.read(entries)) == [
        Flaw("readable", "not readable: No such file or directory")
    ]


def test_a_link_that_leaves_the_source_is_marked_and_one_that_stays_is_not(
    source: Path, tmp_path: Path
) -> None:
    first, second = sorted((source / "train").iterdir())[:2]
    outside = first.rename(tmp_path / "outside.tif")
    first.symlink_to(outside)
    second.rename(source / "elsewhere.tif")
    second.symlink_to("../elsewhere.tif")
    (tmp_path / "link").symlink_to(source)
    for folder in (source, tmp_path / "link"):
        entries = KaggleFolder(folder).entries()
        assert [entry.id for entry in entries if entry.is_link_out] == [first.stem]
