"""Tests of `results.provenance`: a source says what it is; drawn patches aren't called tissue."""

import json
import shutil
from pathlib import Path

import pytest

from helpers.ingesting import ingest
from metastasis.base.errors import InputError
from metastasis.results import provenance
from metastasis.results.provenance import SOURCE_NAME, TABLE_NAME, Provenance

DRAWN = Provenance(name="somebody's drawings", is_drawn=True)


def handed_on(folder: Path) -> Provenance:
    return provenance.read(folder / "tables" / TABLE_NAME)


def test_what_a_source_says_of_itself_is_handed_on_also_of_a_copy(
    source: Path, tmp_path: Path
) -> None:
    provenance.write(source / SOURCE_NAME, DRAWN)
    copied = shutil.copytree(source, tmp_path / "my patches")
    ingest(copied, tmp_path / "out")
    assert handed_on(tmp_path / "out") == DRAWN
    assert SOURCE_NAME not in (tmp_path / "out/tables/strays.csv").read_text()


def test_a_zip_of_drawn_patches_is_drawn(source: Path, tmp_path: Path) -> None:
    provenance.write(source / SOURCE_NAME, DRAWN)
    zipped = shutil.make_archive(str(tmp_path / "patches"), "zip", source)
    ingest(Path(zipped), tmp_path / "out")
    assert handed_on(tmp_path / "out").is_drawn


def test_a_source_that_says_nothing_is_known_by_its_format_and_not_drawn(
    source: Path, tmp_path: Path
) -> None:
    ingest(source, tmp_path / "out")
    assert handed_on(tmp_path / "out") == Provenance(
        name="a source in Kaggle's layout", is_drawn=False
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "drawn", '{"name": "x"}', '{"name": "x", "is_drawn": true, "more": 1}']
)
def test_a_file_that_says_something_else_is_named_with_the_mend(
    source: Path, tmp_path: Path, content: str
) -> None:
    (source / SOURCE_NAME).write_text(content)
    with pytest.raises(InputError, match=f"{SOURCE_NAME} should name the source.*delete it"):
        ingest(source, tmp_path / "out")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    provenance.write(tmp_path / "x.json", DRAWN)
    assert provenance.read(tmp_path / "x.json") == DRAWN
    assert json.loads((tmp_path / "x.json").read_text())["is_drawn"] is True


def test_drawn_patches_have_a_note_and_a_warning_and_others_have_none() -> None:
    tissue = Provenance(name="PatchCamelyon", is_drawn=False)
    assert (tissue.note, tissue.warning) == ("", "")
    assert "not tissue" in DRAWN.note
    assert DRAWN.name in DRAWN.warning
