"""Tests of `metastasis.tables`: text stays text, and only what is empty is unknown."""

from pathlib import Path

import pandas as pd
import pytest

from metastasis import tables
from metastasis.base import files
from metastasis.base.errors import InputError

WORDS = ["NA", "null", "None", "nan", "007", "1e5", "true"]


def test_ids_and_slides_that_look_like_something_else_are_text(tmp_path: Path) -> None:
    written = pd.DataFrame({"id": WORDS, "label": [0, 1, 0, 1, 0, 1, 0], "slide": WORDS})
    files.write_csv(tmp_path / "split.csv", written)
    for read in (tables.read_patches, tables.read_text):
        table = read(tmp_path / "split.csv")
        assert table["id"].tolist() == WORDS
        assert table["slide"].tolist() == WORDS


def test_numbers_and_words_in_one_column_are_all_text(tmp_path: Path) -> None:
    """In a table so long that pandas reads it in pieces, and looks at each piece by itself."""
    groups = [str(number // 100) for number in range(200_000)] + ["word"]
    table = pd.DataFrame({"id": [f"patch-{n}" for n in range(len(groups))], "label": 0})
    files.write_csv(tmp_path / "split.csv", table.assign(group=groups))
    assert tables.read_patches(tmp_path / "split.csv")["group"].tolist() == groups


def test_an_empty_slide_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("id,label,slide\nx,1,\ny,0,s\n")
    assert tables.read_patches(tmp_path / "split.csv")["slide"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("slides", "patients", "said"),
    [
        (["a", "a", "b", "c"], None, (True, None, "slide")),
        (["a", "b", "b", "c"], None, (False, None, "slide")),
        (["a", "a", None, "c"], None, (False, None, "patch")),
        (["a", "a", "b", "c"], ["p", "p", "q", "r"], (True, True, "patient")),
        (["a", "a", "b", "c"], ["p", "p", "p", "r"], (True, False, "patient")),
        (["a", "a", "b", "c"], ["p", "p", None, "r"], (True, None, "slide")),
        (["a", "a", None, "c"], ["p", "p", "q", "r"], (True, True, "patient")),
        ([None] * 4, [None] * 4, (False, None, "patch")),
    ],
)
def test_slides_and_patients_are_disjoint_if_known_and_in_one_split_each(
    slides: list[str | None], patients: list[str | None] | None, said: tuple[bool, bool | None, str]
) -> None:
    split = ["train", "train", "validation", "test"]
    table = pd.DataFrame({"slide": slides, "split": split})
    if patients is not None:
        table["patient"] = patients
    assert tuple(tables.disjointness(table).values()) == said


def test_a_table_of_before_patients_were_read_knows_none(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("id,label,slide\nx,1,a\n")
    assert tables.read_patches(tmp_path / "split.csv")["patient"].isna().all()


def look(tmp_path: Path, content: bytes) -> tuple[pd.DataFrame, dict[str, str]]:
    (tmp_path / "labels.csv").write_bytes(content)
    table, form = tables.look(tmp_path / "labels.csv")
    return table, {name: found for name, found in form.items() if found}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"id,label\nx,1\n", {}),
        (b"id,label\nx,1", {}),
        (b"id,label\n\nx,1\n\n", {"blank_lines": "2 blank lines"}),
        (b"\xef\xbb\xbfid,label\nx,1\n", {"byte_order_mark": "a byte-order mark"}),
        (b"id,label\r\nx,1\r\n", {"line_ends": "CRLF"}),
        (b"id,label\rx,1\r", {"line_ends": "CR"}),
        (b'"id","label"\n"x","1"\n', {"quotes": "quotation marks"}),
    ],
)
def test_a_table_is_read_however_it_is_written_and_what_is_unusual_is_told(
    tmp_path: Path, content: bytes, form: dict[str, str]
) -> None:
    table, found = look(tmp_path, content)
    assert table.to_dict("list") == {"id": ["x"], "label": ["1"]}
    assert found == form


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"", {"cells": "there is no header"}),
        (b"id,label\n\xe4,1\n", {"encoding": "byte 9 is not UTF-8"}),
        ("id,label\nx,1\n".encode("utf-16"), {"encoding": "byte 0 is not UTF-8"}),
        (b"id,label\nx,1,2\n", {"cells": "line 2 has 3 cells, the header 2"}),
        (b"id,label\nx,1\ny\n", {"cells": "line 3 has 1 cells, the header 2"}),
        (b"id;slide\nx;1,5\n", {"cells": "the header is separated by ';', expected ','"}),
        (b"id\tslide\nx\t1\n", {"cells": "the header is separated by '\\t', expected ','"}),
        (b"id|slide\n", {"cells": "the header is separated by '|', expected ','"}),
        (b"id,id\nx,1\n", {"cells": "the header id,id names a column twice"}),
        (b'id,label\n"x,1\n', {"cells": "unexpected end of data", "quotes": "quotation marks"}),
    ],
)
def test_what_is_no_table_has_no_rows_and_its_reason(
    tmp_path: Path, content: bytes, form: dict[str, str]
) -> None:
    table, found = look(tmp_path, content)
    assert len(table.columns) == 0
    assert found == form
    with pytest.raises(InputError, match=r"labels\.csv is not a CSV with a header, in UTF-8: "):
        tables.read_text(tmp_path / "labels.csv")


def test_a_table_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv is missing in the source"):
        tables.look(tmp_path / "labels.csv")


def test_patients_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A user joins the split with a map that has its own column patient."""
    table = pd.DataFrame({"id": ["x", "y"], "label": [0, 1], "slide": ["a", "b"]})
    tables.write_patches(tmp_path / "split.csv", table.assign(patient=pd.Series(["p", None])))
    assert "patient" not in pd.read_csv(tmp_path / "split.csv")
    read = tables.read_patches(tmp_path / "split.csv")
    assert read["patient"].tolist()[0] == "p"
    assert read["patient"].isna().tolist() == [False, True]
