"""Tests of `formats.slide_columns`: a column is known in any spelling of its names."""

import pytest

from metastasis.formats import slide_columns


@pytest.mark.parametrize(
    "spelt",
    [
        "slide_id",
        "Slide ID",
        " SLIDE-ID ",
        "slide.id",
        "\ufeffslide_id",
        "'slide id'",
        "_slide__id",
    ],
)
def test_a_column_is_known_however_it_is_written(spelt: str) -> None:
    assert slide_columns.plain(spelt) == "slide_id"


def test_every_name_is_written_in_its_plain_form() -> None:
    for names in slide_columns.COLUMNS.values():
        assert [slide_columns.plain(name) for name in names] == list(names)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["Image", "MRN"], True),
        (["filename", "wsi_path", "age"], True),
        (["id", "label", "split"], False),
        (["slide", "patient"], False),
        ([], False),
    ],
)
def test_a_slide_map_has_ids_and_slides_or_patients(columns: list[str], *, expected: bool) -> None:
    assert slide_columns.are_of_slide_map(columns) is expected
