"""Tests of `formats.kaggle_layout`: names alone say what a file is, in folder and zip alike."""

import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis.formats import kaggle_layout
from metastasis.formats.kaggle_folder import KaggleFolder
from metastasis.formats.kaggle_layout import Place
from metastasis.formats.kaggle_zip import KaggleZip

FOLDERS = ("train", "Train", "test", "0", "1", "images", "other", "train.tif")
FILES = ("a.tif", "a.TIF", "a.png", "b.jpeg", "c.bmp", ".hidden.tif", "slides.csv",
         "patch_id_wsi.csv", "sample_submission.csv", "train_labels.csv", "old.csv")  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("train", Place("labelled")),
        ("TRAIN/images", Place("labelled")),
        ("train/train", Place("labelled")),
        ("train/0", Place("labelled", "0")),
        ("train/images/1", Place("labelled", "1")),
        ("train/1/images", Place("labelled", "1")),
        ("test/images", Place("unlabelled")),
        ("test/0", None),
        ("train/0/1", None),
        ("train/2", None),
        ("train/test", None),
        ("train/images/images/0", None),
        ("valid", None),
        ("", None),
        ("__MACOSX/train", None),
    ],
)
def test_a_folder_says_pool_and_label(folder: str, place: Place | None) -> None:
    assert kaggle_layout.place(folder) == place


@given(st.text(max_size=30))
def test_any_name_is_placed_or_not(name: str) -> None:
    kaggle_layout.place(name)
    kaggle_layout.image(name)
    kaggle_layout.is_label_table(name)
    kaggle_layout.tops([name])


def written(names: list[tuple[str, ...]], root: Path) -> list[str]:
    """Write a file for each name that no other stands in the way of; return those."""
    files = []
    for name in names:
        path = root.joinpath(*name)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x") as file:
                file.write("id,slide\n")
            files.append("/".join(name))
    return files


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(FOLDERS), max_size=4), st.sampled_from(FILES)).map(
            lambda parts: (*parts[0], parts[1])
        ),
        max_size=12,
    )
)
def test_a_zip_and_a_folder_of_the_same_files_hold_the_same(names: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made) / "folder"
        files = written([("train_labels.csv",), *names], root)
        with zipfile.ZipFile(Path(made) / "k.zip", "w") as archive:
            for name in files:
                archive.write(root / name, name)
        inner = [name for name in files if name.endswith("train_labels.csv")]
        folder = KaggleFolder(root)
        with zipfile.ZipFile(Path(made) / "k.zip") as archive:
            packed = KaggleZip(Path(made) / "k.zip", archive, "")
            # Only a folder can hold a folder that is named as an image.
            listed = [entry for entry in folder.entries() if (root / entry.name).is_file()]
            assert [(e.pool, e.id, e.name, e.label) for e in packed.entries()] == [
                (e.pool, e.id, e.name, e.label) for e in listed
            ]
            assert packed.tables().keys() == folder.tables().keys()
            placed = {entry.name for entry in packed.entries()}
            strays = {stray.split(" (")[0] for stray in packed.strays()}
        repeated = {e.id for e in listed if e.flaw}
        for name in set(files) - placed - strays - {*inner, "slides.csv", "patch_id_wsi.csv"}:
            assert name == "sample_submission.csv" or Path(name).stem in repeated, name
