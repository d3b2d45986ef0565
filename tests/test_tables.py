"""Tests of `metastasis.tables`: text stays text, and only what is empty is unknown."""

from pathlib import Path

import pandas as pd
import pytest

from metastasis import files, tables

WORDS = ["NA", "null", "None", "nan", "007", "1e5", "true"]


def test_ids_and_slides_that_look_like_something_else_are_text(tmp_path: Path) -> None:
    written = pd.DataFrame({"id": WORDS, "label": [0, 1, 0, 1, 0, 1, 0], "slide": WORDS})
    files.write_csv(tmp_path / "split.csv", written)
    for read in (tables.read_patches, tables.read_text):
        table = read(tmp_path / "split.csv")
        assert table["id"].tolist() == WORDS
        assert table["slide"].tolist() == WORDS


def test_an_empty_slide_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("id,label,slide\nx,1,\ny,0,s\n")
    assert tables.read_patches(tmp_path / "split.csv")["slide"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("slides", "is_disjoint"),
    [
        (["a", "a", "b", "c"], True),
        (["a", "b", "b", "c"], False),
        (["a", "a", None, "c"], False),
    ],
)
def test_slides_are_disjoint_if_known_and_in_one_split_each(
    slides: list[str | None], is_disjoint: bool
) -> None:
    split = ["train", "train", "validation", "test"]
    table = pd.DataFrame({"slide": slides, "split": split})
    assert tables.is_slide_disjoint(table) is is_disjoint
