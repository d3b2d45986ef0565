"""Tests of `formats.pcam_layout`: files are found by their names, wherever people put them."""

import os
import sys
from pathlib import Path

import pytest

from metastasis.base.errors import InputError
from metastasis.formats import pcam_layout

STEM = "camelyonpatch_level_2_split_"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (f"{STEM}train_x.h5", ("train", "x")),
        (f"{STEM}valid_y.h5.gz", ("valid", "y")),
        (f"{STEM}test_meta.csv", ("test", "meta")),
        ("training_split.h5", ("train", "x")),
        ("Validation_Split.H5", ("valid", "x")),
        ("test_split.h5.gz", ("test", "x")),
        ("train_x.h5", ("train", "x")),
        (f"{STEM}train_mask.h5", None),
        (f"{STEM}train_x.h5.partial", None),
        ("train_labels.csv", None),
        (f"old_{STEM}train_x.h5", None),
    ],
)
def test_a_role_is_known_by_a_name_alone(name: str, role: tuple[str, str] | None) -> None:
    assert pcam_layout.role(name) == role


def test_files_are_found_in_folders_and_the_others_named(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / f"a/b/{STEM}train_x.h5").touch()
    (tmp_path / f"a/{STEM}train_y.h5").touch()
    (tmp_path / f"a/{STEM}train_mask.h5").touch()
    files, others = pcam_layout.find(tmp_path)
    assert files == {
        ("train", "x"): tmp_path / f"a/b/{STEM}train_x.h5",
        ("train", "y"): tmp_path / f"a/{STEM}train_y.h5",
    }
    assert others == [f"a/{STEM}train_mask.h5"]


def test_two_files_that_may_be_meant_are_both_named(tmp_path: Path) -> None:
    for folder in ("new", "old"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{STEM}test_y.h5").touch()
    with pytest.raises(InputError) as caught:
        pcam_layout.find(tmp_path)
    assert str(caught.value).startswith("pcam-ambiguous: ")
    assert f"the test split's y: new/{STEM}test_y.h5, old/{STEM}test_y.h5. " in str(caught.value)


def test_packed_and_unpacked_are_no_two_files_only_side_by_side(tmp_path: Path) -> None:
    plain = tmp_path / f"{STEM}test_y.h5"
    plain.touch()
    (tmp_path / f"{STEM}test_y.h5.gz").touch()
    files, others = pcam_layout.find(tmp_path)
    assert files == {("test", "y"): plain}
    assert others == [f"{STEM}test_y.h5.gz"]
    (tmp_path / "sub").mkdir()
    plain.rename(tmp_path / "sub" / plain.name)
    with pytest.raises(InputError, match=r"^pcam-ambiguous: "):
        pcam_layout.find(tmp_path)


def test_links_to_the_same_file_and_to_the_folder_itself_are_no_second_file(tmp_path: Path) -> None:
    (tmp_path / f"{STEM}test_y.h5").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to("broken")
    files, _ = pcam_layout.find(tmp_path)
    assert [path.resolve() for path in files.values()] == [tmp_path / f"{STEM}test_y.h5"]


def test_folders_are_searched_so_deep_and_no_deeper(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*"abcde")
    folder.mkdir(parents=True)
    (folder.parent / "train_x.h5").touch()
    (folder / "train_y.h5").touch()
    assert set(pcam_layout.find(tmp_path)[0]) == {("train", "x")}
    assert pcam_layout.is_below(tmp_path)
    assert not pcam_layout.is_there(tmp_path)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such a name")
def test_a_name_that_is_no_unicode_is_named_with_a_mark(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt")).touch()
    assert pcam_layout.find(tmp_path)[1] == ["caf\N{REPLACEMENT CHARACTER}.txt"]
