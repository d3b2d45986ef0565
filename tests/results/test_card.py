"""Tests of `results.card`: what is written is read back, and any change is found."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.model_folders import described
from metastasis.base.errors import InputError
from metastasis.results import card as cards


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card beside no other file."""
    folder = tmp_path_factory.mktemp("card")
    cards.write(folder / "card.json", described(folder))
    return folder / "card.json"


def test_a_card_is_read_back_as_it_was_written(path: Path) -> None:
    assert cards.read(path) == described(path.parent)


@given(data=st.data())
def test_a_changed_byte_is_found_or_changes_nothing(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    changed = path.with_name("changed.json")
    changed.write_bytes(content)
    try:
        found = cards.read(changed)
    except InputError:
        return
    assert found == cards.read(path)  # the byte was blank


def rewrite(path: Path, change: dict[str, Any]) -> Path:
    """Write a card with other fields, and with a checksum that fits if the card's own did."""
    content = json.loads(path.read_text()) | change
    content.pop("checksum")
    content["checksum"] = cards.checksum(content)
    changed = path.with_name("changed.json")
    changed.write_text(json.dumps(content))
    return changed


def test_a_newer_format_is_named_whatever_else_it_holds(path: Path) -> None:
    newer = rewrite(path, {"format": 2, "slides": {"stride": 32}, "colours": "stain"})
    with pytest.raises(InputError, match=r"has format 2, and this version .* reads up to 1\. Use"):
        cards.read(newer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 32}, "stride: Extra inputs"),
        ({"um_per_pixel": 0}, "um_per_pixel: Input should be greater than 0"),
        ({"patch_size": 64}, "patch_size: Input should be 96"),
        ({"input_size": 31}, "input_size: Input should be greater than or equal to 32"),
        ({"input_size": 97}, "input_size: Input should be less than or equal to 96"),
        ({"members": []}, "members: Tuple should have at least 1 item"),
        ({"files": {"model.keras": "0" * 63}}, r"files\.model\.keras: String should match"),
    ],
)
def test_a_card_of_another_form_is_refused_with_the_field(
    path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"was changed or damaged .* \({message}"):
        cards.read(rewrite(path, change))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": "1"}',
        b'{"format": true}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_another_file_is_no_card(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(InputError, match="is not a model's card: expected JSON as the stage"):
        cards.read(tmp_path / "card.json")
