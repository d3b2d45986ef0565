"""Tests of `validate.unjoined`: both sides are shown, and what would make them one."""

from collections.abc import Callable

import pandas as pd
import pytest

from metastasis.validate import unjoined

IDS = [f"{number:040x}" for number in range(0xA0, 0xA5)]


def explain(labels: list[str], images: list[str], strays: list[str] | None = None) -> str:
    return unjoined.explain(
        pd.DataFrame({"id": labels}, dtype="str"),
        pd.DataFrame({"pool": "labelled", "id": images}).astype("str"),
        pd.DataFrame({"name": strays or []}, dtype="str"),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (str.upper, "in lower case"),
        (lambda id_: f"{id_}.tif", "without the file extension"),
        (lambda id_: f"train/{id_}", "without folders"),
        (lambda id_: f"train\\{id_}.PNG", "without folders and extensions"),
        (lambda id_: f" {id_}", "without surrounding spaces"),
        (lambda id_: f"patch_{id_}", "by the hash in them"),
    ],
)
def test_what_would_make_ids_agree_is_named(change: Callable[[str], str], words: str) -> None:
    found = explain([change(id_) for id_ in IDS], IDS)
    assert found.startswith("0 of 5 ids in the label table are names of images. ")
    assert f"Without an image: {change(IDS[0])}, " in found
    assert f"Images without a label: {IDS[0]}, " in found
    assert f"Compared {words}, 5 of them would agree" in found


def test_a_folder_that_is_not_read_is_named_with_what_is_in_it() -> None:
    stray = "train/slide 1/ (a folder of 9, such as a.tif)"
    assert f"Not read were {stray}; expected ID.tif" in explain(IDS, [], [stray])


def test_leading_zeros_are_named() -> None:
    assert "Compared without leading zeros, 2 of them" in explain(["1", "2"], ["0001", "0002"])


def test_ids_of_another_kind_are_shown_and_no_way_is_made_up() -> None:
    found = explain(["a", "b"], ["x", "y"])
    assert "Without an image: a, b. Images without a label: x, y." in found
    assert "Compared" not in found


def test_without_images_the_files_that_are_not_read_are_counted_by_ending_and_folder() -> None:
    strays = ["notes.txt", *(f"train/{id_}.bmp" for id_ in IDS)]
    found = explain(IDS, [], strays)
    assert "No image was found in train/." in found
    assert f"Not read were 5 named *.bmp in train/ (train/{IDS[0]}.bmp), 1 named *.txt" in found
