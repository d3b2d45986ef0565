"""Tests of `validate.joins`: small tables with known answers."""

from pathlib import Path

import pandas as pd

from helpers.patches import sha1, write_shards
from metastasis.patches import shards
from metastasis.validate import joins


def inventory(rows: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["pool", "id", "sha1", "flaw"])


LABELS = pd.DataFrame({"id": ["a", "b", "c", "d"], "label": ["1", "0", "1", "1"]})


def test_copies_are_sought_among_sound_labelled_images_alone() -> None:
    table = inventory(
        [
            ("labelled", "a", "1", ""),
            ("labelled", "b", "1", ""),
            ("labelled", "c", "2", ""),
            ("labelled", "d", "", "decodable"),
            ("labelled", "e", "", "format"),
            ("unlabelled", "x", "2", ""),
            ("unlabelled", "a", "3", ""),
            ("unlabelled", "y", "3", ""),
        ]
    )
    found = joins.copies(LABELS, table).set_index("id")
    assert found.index.tolist() == ["a", "b", "c"]
    assert found["repeats"].tolist() == ["", "pixels of a", ""]
    assert found["contradicts"].tolist() == ["label 1, pixels of a", "label 0, pixels of a", ""]
    assert found["is_unlabelled"].tolist() == ["", "", "pixels of an unlabelled patch"]


def test_each_side_of_a_join_has_its_rows() -> None:
    images = pd.DataFrame({"id": ["b", "z", "b"]})
    found = joins.joined(LABELS[:2], images).set_index("id")
    assert found["without_image"].to_dict() == {"a": "no image", "b": "", "z": ""}
    assert found["without_row"].to_dict() == {"a": "", "b": "", "z": "no row"}
    assert found["is_missing"].mean() == 0.5


def test_a_submission_and_test_images_are_missed_by_each_other() -> None:
    there = inventory([("unlabelled", "x", "1", "")])
    nothing = inventory([("labelled", "x", "1", "")])
    asked = pd.DataFrame({"id": ["x", "y"]})
    for images, table, expected in (
        (there, asked, ["", ""]),
        (nothing, None, ["", ""]),
        (nothing, asked[:0], ["", ""]),
        (nothing, asked, ["2 ids but no image", ""]),
        (there, None, ["", "1 images but no table"]),
    ):
        assert joins.unlabelled_pool(images, table).iloc[0].tolist() == expected


def test_a_flaw_stands_in_its_own_column() -> None:
    images = pd.DataFrame(
        {
            "id": ["a", "b"],
            "flaw": ["size", ""],
            "found": ["95x96", ""],
            "name": ["train/a.tif", "train/b.tif"],
            "is_link_out": [False, True],
        }
    )
    found = joins.flaws(images).set_index("id")
    assert found.loc["a", "size"] == "95x96"
    assert found.loc["b", "link"] == "train/b.tif"
    assert (found != "").to_numpy().sum() == 2


def test_exchanged_channels_are_told_from_other_changes(tmp_path: Path) -> None:
    patches = write_shards(tmp_path, 3)
    table = pd.DataFrame({"shard": 0, "row": [0, 1, 2], "sha1": list(map(sha1, patches))})
    swapped = sha1(patches[1][:, :, ::-1])
    images = table.assign(id=[sha1(patches[0]), swapped, "0" * 40])
    assert joins.channel_order(images, shards.read(tmp_path)) == ["", "blue, green, red", ""]
