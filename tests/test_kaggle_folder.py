"""Tests of `metastasis.kaggle_folder`: every image is an entry, and every other file is named."""

import os
from pathlib import Path

from metastasis.kaggle_folder import KaggleFolder
from metastasis.sources import MAX_FILE_BYTES, Flaw


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
    assert [entry.pool for entry in entries] == ["labelled"] * 20 + ["test"] * 4
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


def test_the_published_slide_map_is_known_by_its_name(source: Path) -> None:
    (source / "slides.csv").rename(source / "patch_id_wsi_full.csv")
    expected = (source / "patch_id_wsi_full.csv").read_bytes()
    assert KaggleFolder(source).tables()["slides.csv"] == expected
    assert KaggleFolder(source).strays() == []


def test_of_two_slide_maps_the_one_that_is_not_read_is_named(source: Path) -> None:
    (source / "patch_id_wsi_full.csv").write_text("id,wsi\n")
    folder = KaggleFolder(source)
    assert folder.tables()["slides.csv"] == (source / "slides.csv").read_bytes()
    assert folder.strays() == ["patch_id_wsi_full.csv"]


def test_what_is_neither_image_nor_table_is_a_stray_and_no_entry(source: Path) -> None:
    id_ = min((source / "train").iterdir()).stem
    for name in ("readme.md", "train/notes.txt", f"train/{id_}", "test/.DS_Store"):
        (source / name).write_text("hello")
    folder = KaggleFolder(source)
    assert folder.strays() == ["readme.md", f"train/{id_}", "train/notes.txt", "test/.DS_Store"]
    assert len(folder.entries()) == 24


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
