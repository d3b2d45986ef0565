"""Tests of `formats.kaggle_zip`: a zip gives what its folder gives, and not what it claims."""

import gzip
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from helpers.kaggle import add, by_class, edit, zipped
from metastasis.base.errors import InputError
from metastasis.formats.kaggle_folder import KaggleFolder
from metastasis.formats.kaggle_zip import KaggleZip
from metastasis.formats.sources import Flaw


@pytest.mark.parametrize("top", ["", "histopathologic-cancer-detection/"])
def test_a_zip_gives_what_its_folder_gives(source: Path, tmp_path: Path, top: str) -> None:
    packed = KaggleZip.open(zipped(source, tmp_path / "k.zip", top))
    folder = KaggleFolder(source)
    entries = packed.entries()
    assert [(e.pool, e.id) for e in entries] == [(e.pool, e.id) for e in folder.entries()]
    assert list(packed.read(entries)) == list(folder.read(folder.entries()))
    assert packed.tables() == folder.tables()
    assert packed.strays() == []


@pytest.mark.parametrize("top", ["", "histopathologic-cancer-detection\\"])
def test_backslashes_of_windows_are_read_as_slashes(source: Path, tmp_path: Path, top: str) -> None:
    path = tmp_path / "k.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*")):
            name = top + str(file.relative_to(source)).replace("/", "\\")
            if file.is_dir():
                archive.writestr(zipfile.ZipInfo(name + "\\"), b"")
            else:
                archive.write(file, name)
    packed, folder = KaggleZip.open(path), KaggleFolder(source)
    assert [(e.pool, e.id) for e in packed.entries()] == [(e.pool, e.id) for e in folder.entries()]
    assert list(packed.read(packed.entries())) == list(folder.read(folder.entries()))
    assert packed.tables() == folder.tables()
    assert packed.strays() == []


def test_control_characters_in_names_are_escaped_and_make_no_image(
    source: Path, tmp_path: Path
) -> None:
    for name in ("notes\r.txt", "train/x\r.tif"):
        (source / name).touch()
    packed = KaggleZip.open(zipped(source, tmp_path / "k.zip"))
    for opened in (packed, KaggleFolder(source)):
        assert opened.strays() == [r"notes\x0d.txt", r"train/x\x0d.tif"]
        assert len(opened.entries()) == 24


def test_a_zip_is_laid_out_as_freely_as_a_folder(source: Path, tmp_path: Path) -> None:
    """Folders of classes without a table, other endings, a packed slide map, and a stray map."""
    by_class(source)
    (source / "train_labels.csv").unlink()
    victim = min((source / "train" / "0").iterdir())
    victim.rename(victim.with_suffix(".TIFF"))
    slides = (source / "slides.csv").rename(source / "old.csv").read_bytes()
    (source / "patch_id_wsi.csv.gz").write_bytes(gzip.compress(slides))
    packed, folder = (
        KaggleZip.open(zipped(source, tmp_path / "k.zip", "top/")),
        KaggleFolder(source),
    )
    assert [e.id for e in packed.entries()] == [e.id for e in folder.entries()]
    assert list(packed.read(packed.entries())) == list(folder.read(folder.entries()))
    assert packed.tables() == folder.tables()
    assert packed.strays() == [f"top/{stray}" for stray in folder.strays()]
    assert len(packed.strays()) == 1


def test_a_truncated_zip_is_refused(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"zip-whole: .*k\.zip is not a complete zip"):
        KaggleZip.open(path)


@pytest.mark.parametrize("name", ["/etc/x.tif", "train/../../x.tif", "..\\x.tif", "C:\\x.tif"])
def test_a_member_that_would_lie_outside_is_refused(
    source: Path, tmp_path: Path, name: str
) -> None:
    path = zipped(source, tmp_path / "k.zip")
    add(path, name)
    with pytest.raises(InputError, match=r"zip-members-inside: .* has 1 members with an absolute"):
        KaggleZip.open(path)


def test_what_a_system_or_a_user_left_is_a_stray(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    strays = [".DS_Store", "__MACOSX/train/._x.tif", "train/.DS_Store", "train/sub/x.tif"]
    for name in strays:
        add(path, name)
    packed = KaggleZip.open(path)
    assert packed.strays() == strays
    assert len(packed.entries()) == 24


def test_a_table_in_the_folder_of_a_system_is_not_taken_for_the_label_table(
    source: Path, tmp_path: Path
) -> None:
    path = tmp_path / "k.zip"
    add(path, "__MACOSX/train_labels.csv", b"not this")
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(source / "train_labels.csv", "top/train_labels.csv")
    expected = (source / "train_labels.csv").read_bytes()
    assert KaggleZip.open(path).tables() == {"train_labels.csv": expected}


def test_a_name_that_occurs_twice_is_one_entry_with_a_flaw(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    name = f"train/{min((source / 'train').iterdir()).name}"
    with pytest.warns(UserWarning, match="Duplicate name"):
        add(path, name, b"another")
    entries = KaggleZip.open(path).entries()
    assert len(entries) == 24
    assert entries[0].flaw == Flaw("repeated", "2 members with this name")


def test_an_encrypted_member_has_a_flaw(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    edit(path, f"train/{min((source / 'train').iterdir()).name}", flag_bits=1)
    assert KaggleZip.open(path).entries()[0].flaw == Flaw("encrypted", "encrypted")


def test_a_member_that_claims_to_be_huge_is_not_read(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    edit(path, f"train/{min((source / 'train').iterdir()).name}", file_size=100 * 10**9)
    flaw = KaggleZip.open(path).entries()[0].flaw
    assert flaw == Flaw("bytes", "100,000,000,000 bytes, expected at most 16,777,216")


def test_a_table_that_claims_to_be_huge_is_refused(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    edit(path, "train_labels.csv", file_size=100 * 10**9)
    with pytest.raises(
        InputError, match=r"zip-table-bytes: train_labels\.csv in .*: 100,000,000,000 bytes"
    ):
        KaggleZip.open(path).tables()


@pytest.mark.parametrize("damage", [b"\0" * 200, b"\xff" * 200])
def test_a_damaged_member_has_a_flaw_and_its_neighbours_none(
    source: Path, tmp_path: Path, damage: bytes
) -> None:
    path = zipped(source, tmp_path / "k.zip")
    with zipfile.ZipFile(path) as archive:
        name = f"train/{min((source / 'train').iterdir()).name}"
        start = archive.getinfo(name).header_offset + 500
    content = bytearray(path.read_bytes())
    content[start : start + len(damage)] = damage
    path.write_bytes(content)
    packed = KaggleZip.open(path)
    read = list(packed.read(packed.entries()))
    assert read[0] == Flaw("readable", "damaged within the zip")
    assert sum(isinstance(content, Flaw) for content in read) == 1


def test_a_member_that_claims_to_be_small_is_read_no_further_than_allowed(
    source: Path, tmp_path: Path
) -> None:
    path = zipped(source, tmp_path / "k.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/bomb.tif", bytes(200 * 2**20))
    edit(path, "train/bomb.tif", file_size=27_000)
    packed = KaggleZip.open(path)
    tracemalloc.start()
    (content,) = packed.read([entry for entry in packed.entries() if entry.id == "bomb"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(content, Flaw)
    assert peak < 40 * 2**20


def test_a_table_that_occurs_twice_is_refused(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    with pytest.warns(UserWarning, match="Duplicate name"):
        add(path, "train_labels.csv", b"id,label\n")
    with pytest.raises(InputError, match=r"zip-table-repeated: .* holds 2 tables named train_lab"):
        KaggleZip.open(path).tables()


def test_two_places_with_a_label_table_are_refused(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    add(path, "old/train_labels.csv", b"id,label\n")
    with pytest.raises(InputError, match=r"zip-tops: .* several folders \('', 'old/'\)"):
        KaggleZip.open(path)


@pytest.mark.parametrize("name", ["./", "a/./b"])
def test_odd_names_are_strays_or_nothing(source: Path, tmp_path: Path, name: str) -> None:
    path = zipped(source, tmp_path / "k.zip")
    add(path, name)
    packed = KaggleZip.open(path)
    assert packed.strays() == ([] if name.endswith("/") else [name])
    assert len(packed.entries()) == 24


def test_a_version_that_no_one_reads_is_told(source: Path, tmp_path: Path) -> None:
    path = zipped(source, tmp_path / "k.zip")
    edit(path, "train_labels.csv", extract_version=99)
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\1\2")
    content[start + 6 : start + 8] = (99).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="zip-whole: "):
        KaggleZip.open(path)


@pytest.mark.parametrize("size", [1, 2**31])
def test_a_zip_whose_directory_claims_another_size_is_no_whole_zip(
    source: Path, tmp_path: Path, size: int
) -> None:
    path = zipped(source, tmp_path / "k.zip")
    content = bytearray(path.read_bytes())
    content[-10:-6] = size.to_bytes(4, "little")  # of the directory, in the record at the end
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^zip-whole: .*fetch it again"):
        KaggleZip.open(path)
