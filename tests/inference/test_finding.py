"""Tests of what a user's paths name."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from metastasis.base.errors import InputError
from metastasis.inference import finding

NOWHERE = Path("predictions")


class Scanned(Iterator[os.DirEntry[str]]):
    """The entries of a folder as `scan` finds them, in a certain order."""

    def __init__(
        self, scan: Callable[[str], Iterable[os.DirEntry[str]]], path: str, *, is_reversed: bool
    ) -> None:
        by_name = sorted(scan(path), key=lambda entry: entry.name, reverse=is_reversed)
        self._entries = iter(by_name)

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_is_searched_to_any_depth_in_the_order_of_its_paths(tmp_path: Path) -> None:
    touch(tmp_path / "b.png", tmp_path / "a/z.TIF", tmp_path / "a/deep/er/y.svs")
    touch(tmp_path / "notes.txt", tmp_path / ".hidden.png")
    found, failures = finding.find([tmp_path], NOWHERE)
    assert [each.path for each in found] == [
        tmp_path / "a/deep/er/y.svs", tmp_path / "a/z.TIF", tmp_path / "b.png",
    ]  # fmt: skip
    assert failures == []


def test_a_named_file_counts_whatever_it_is_called(tmp_path: Path) -> None:
    touch(tmp_path / "patch")
    found, _ = finding.find([tmp_path / "patch"], NOWHERE)
    assert [each.path for each in found] == [tmp_path / "patch"]


def test_a_file_that_two_paths_lead_to_is_listed_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    found, _ = finding.find([tmp_path / "a.png", tmp_path, tmp_path / "." / "a.png"], NOWHERE)
    assert len(found) == 1


def test_images_of_the_same_name_get_outputs_of_different_names(tmp_path: Path) -> None:
    touch(tmp_path / "1/a.png", tmp_path / "2/a.tif", tmp_path / "3/A.png", tmp_path / "a-2.png")
    found, _ = finding.find([tmp_path / "a-2.png", tmp_path], NOWHERE)
    names = [each.name.lower() for each in found]
    assert len(found) == 4
    assert len(set(names)) == 4
    assert names[0] == "a-2"


def test_what_is_missing_and_a_folder_without_images_are_failures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "a.png")
    found, failures = finding.find(
        [tmp_path / "nowhere", tmp_path / "empty", tmp_path / "a.png"], NOWHERE
    )
    assert [each.name for each in found] == ["a"]
    assert [each.path.name for each in failures] == ["nowhere", "empty"]
    assert failures[0].reason == "there is no such file or folder"
    assert "holds no file named *.tif" in failures[1].reason


def test_the_results_of_an_earlier_run_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "predictions/a.png", tmp_path / "predictions/a.ome.tiff")
    found, _ = finding.find([tmp_path], tmp_path / "predictions")
    assert [each.path for each in found] == [tmp_path / "a.png"]


def test_results_may_not_overwrite_images(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    for path in (tmp_path, tmp_path / "a.png"):
        with pytest.raises(InputError, match=r"lies in the output folder.*name another folder"):
            finding.find([path], tmp_path)


def test_results_may_not_overwrite_the_image_that_a_link_leads_to(tmp_path: Path) -> None:
    touch(tmp_path / "output/a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "output/a.png")
    with pytest.raises(InputError, match="lies in the output folder"):
        finding.find([tmp_path / "b.png"], tmp_path / "output")


def test_a_link_to_a_listed_file_is_the_same_image(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    found, _ = finding.find([tmp_path], NOWHERE)
    assert [each.path.name for each in found] == ["a.png", "loop.png"]


def test_an_ome_tiff_s_outputs_have_its_name_without_both_endings(tmp_path: Path) -> None:
    touch(tmp_path / "a.ome.tif", tmp_path / "b.OME.TIFF", tmp_path / "c.d.png")
    found, _ = finding.find([tmp_path], NOWHERE)
    assert [each.name for each in found] == ["a", "b", "c.d"]


def test_names_that_are_no_utf_8_are_shown_with_escapes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    touch(tmp_path / f"{name}.png")
    ((image,), _) = finding.find([tmp_path], NOWHERE)
    assert image.name == r"caf\xe9"
    assert finding.shown(image.path) == rf"{tmp_path}/caf\xe9.png"


def test_control_characters_in_names_are_shown_with_escapes(tmp_path: Path) -> None:
    touch(tmp_path / "a\rb\n\x1b.png")
    ((image,), _) = finding.find([tmp_path], NOWHERE)
    assert image.name == r"a\x0db\x0a\x1b"
    assert finding.shown(image.path) == rf"{tmp_path}/a\x0db\x0a\x1b.png"


def test_long_names_are_cut_so_that_their_outputs_can_be_written(tmp_path: Path) -> None:
    stem = "ä" * 100  # 200 bytes
    touch(tmp_path / f"{stem}1.png", tmp_path / f"{stem}2.png")
    found, _ = finding.find([tmp_path], NOWHERE)
    assert [each.name for each in found] == ["ä" * 55, "ä" * 55 + "-2"]
    assert all(len(f"{each.name}.ome.tiff.partial".encode()) <= 143 for each in found)


def test_a_folder_in_the_output_folder_is_searched(tmp_path: Path) -> None:
    """As in `metastasis predict patches --output .`; an output folder below is left out."""
    touch(tmp_path / "patches/a.png", tmp_path / "patches/results/a.png")
    found, failures = finding.find([tmp_path / "patches"], tmp_path)
    assert len(found) == 2
    found, _ = finding.find([tmp_path / "patches"], tmp_path / "patches/results")
    assert [each.path for each in found] == [tmp_path / "patches/a.png"]
    assert failures == []


def test_links_to_folders_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    touch(tmp_path / "store/a.png")
    (tmp_path / "store/circle").symlink_to(tmp_path)
    (tmp_path / "named").mkdir()
    (tmp_path / "named/linked").symlink_to(tmp_path / "store")
    found, failures = finding.find([tmp_path / "named"], NOWHERE)
    assert [each.path for each in found] == [tmp_path / "named/linked/a.png"]
    assert failures == []


def test_of_two_ways_to_a_folder_the_first_by_name_counts_however_the_disk_orders_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "b/x.png", tmp_path / "aa/y.png")
    (tmp_path / "a").symlink_to(tmp_path / "b")
    for is_reversed in (False, True):
        monkeypatch.setattr(os, "scandir", partial(Scanned, os.scandir, is_reversed=is_reversed))
        found, _ = finding.find([tmp_path], NOWHERE)
        monkeypatch.undo()
        assert [each.path for each in found] == [tmp_path / "a/x.png", tmp_path / "aa/y.png"]


def test_an_output_folder_behind_a_link_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "store/a.png", tmp_path / "store/results/a.png")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/linked").symlink_to(tmp_path / "store")
    found, _ = finding.find([tmp_path / "top"], tmp_path / "store/results")
    assert [each.path for each in found] == [tmp_path / "top/linked/a.png"]


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.png", tmp_path / "closed/b.png", tmp_path / "other/c.png")
    closed = tmp_path / "closed"
    scan, look = os.scandir, Path.lstat

    def refuse(path: object) -> None:
        if Path(str(path)).is_relative_to(closed):
            raise PermissionError(13, "Permission denied", str(path))

    def scandir(path: str) -> object:
        refuse(path)
        return scan(path)

    def lstat(path: Path) -> os.stat_result:
        refuse(path)
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)  # tests may run as root, who may do everything
    monkeypatch.setattr(Path, "lstat", lstat)
    named = [tmp_path, closed / "b.png", tmp_path / "other"]
    found, failures = finding.find(named, NOWHERE)
    assert [each.path.name for each in found] == ["a.png", "c.png"]
    assert [(each.path, each.reason) for each in failures] == [
        (closed, "the folder can't be listed: Permission denied"),
        (closed / "b.png", "it can't be reached: Permission denied"),
    ]
