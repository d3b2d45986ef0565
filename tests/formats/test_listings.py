"""Tests of `formats.listings`: a listing differs as soon as a file of the folder does."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.files import lock
from metastasis.base.errors import InputError
from metastasis.formats import listings, opening
from metastasis.formats.kaggle_folder import KaggleFolder


def listed(folder: Path) -> bytes:
    path = folder.parent / "listing.json"
    listings.write(folder, path)
    return path.read_bytes()


def first(source: Path) -> Path:
    return min((source / "train").iterdir())


def in_place(source: Path) -> None:
    """Change a byte, and put back the size and the time of the last change."""
    path = first(source)
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def into_a_link(source: Path) -> None:
    path = first(source)
    path.rename(source.parent / "elsewhere.tif")
    path.symlink_to(source.parent / "elsewhere.tif")


CHANGES: list[Callable[[Path], object]] = [
    in_place,
    into_a_link,
    lambda source: first(source).unlink(),
    lambda source: first(source).rename(source / "train" / "renamed.tif"),
    lambda source: (source / "test" / "added.tif").touch(),
    lambda source: (source / "train_labels.csv").write_text("id,label\n"),
    lambda source: (source / "train" / "nowhere.tif").symlink_to("nowhere"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_file_changes_the_listing(
    source: Path, change: Callable[[Path], object]
) -> None:
    before = listed(source)
    assert listed(source) == before
    change(source)
    assert listed(source) != before


def test_a_folder_behind_a_link_is_listed_and_a_circle_ends(source: Path) -> None:
    (source / "train").rename(source.parent / "train")
    (source / "train").symlink_to(source.parent / "train")
    (source / "train" / "circle").symlink_to(source)
    (source / "train" / "itself").symlink_to("itself")
    before = listed(source)
    first(source).unlink()
    assert listed(source) != before


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_listed(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(source)
    lock(source / "lost+found", monkeypatch)
    closed = listed(source)
    assert f"warning: list: {source / 'lost+found'} can't be listed" in capsys.readouterr().out
    first(source).unlink()
    assert len({before, closed, listed(source)}) == 3


def test_a_listing_is_opened_as_the_folder_that_it_lists(source: Path, tmp_path: Path) -> None:
    listings.write(source, tmp_path / "listing.json")
    opened = opening.open_source(tmp_path / "listing.json")
    assert isinstance(opened, KaggleFolder)
    assert len(opened.entries()) == 24


def test_a_folder_that_is_gone_keeps_its_listing_and_says_so(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(source)
    source.rename(tmp_path / "moved")
    assert listed(source) == before
    assert f"warning: list: {source} is not here; its last listing" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"data\.listed: .*other is not a folder; expected one in"):
        listings.write(tmp_path / "other", tmp_path / "listing.json")
