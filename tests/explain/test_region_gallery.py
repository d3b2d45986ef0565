"""The drawn regions are those with the most wrong calls, then the largest, of the reported part."""

import numpy as np
import pandas as pd
import pytest

from metastasis.explain import region_gallery
from metastasis.patches import shards
from metastasis.patches.shards import Patches

SIZES = {"r0": 2, "r1": 3, "r2": 5, "r3": 2, "r4": 4, "r5": 2, "r6": 3, "r7": 2}
WRONG = {"r0": 1, "r1": 2}  # calls in each region


def ids(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(SIZES[name])]


@pytest.fixture
def placed() -> pd.DataFrame:
    rows = [
        (name, "labelled", id_, 16 * number, 0)
        for name in SIZES
        for number, id_ in enumerate(ids(name))
    ]
    return pd.DataFrame(rows, columns=shards.REGION_COLUMNS)


@pytest.fixture
def scores(placed: pd.DataFrame) -> pd.DataFrame:
    wrong = {id_ for name, num in WRONG.items() for id_ in ids(name)[-num:]}
    table = pd.DataFrame({"id": placed["id"], "label": 1, "split": "test"})
    table["is_called"] = ~table["id"].isin(wrong)
    return table.assign(probability=np.where(table["is_called"], 0.9, 0.1))


def patches(placed: pd.DataFrame) -> Patches:
    pixels = np.zeros((len(placed), 96, 96, 3), np.uint8)
    index = placed[["pool", "id"]].assign(shard=0, row=range(len(placed)))
    return Patches(index, (pixels,))


def captions(placed: pd.DataFrame, part: pd.DataFrame) -> list[str]:
    figure = region_gallery.draw(placed, part, patches(placed))
    return [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]


def test_the_most_wrong_regions_come_first_then_the_largest(
    placed: pd.DataFrame, scores: pd.DataFrame
) -> None:
    assert captions(placed, scores) == [
        "r1: 3 patches, 2 called wrongly",
        "r0: 2 patches, 1 called wrongly",
        "r2: 5 patches, 0 called wrongly",
        "r4: 4 patches, 0 called wrongly",
        "r6: 3 patches, 0 called wrongly",
        "r3: 2 patches, 0 called wrongly",
    ]


def test_a_region_needs_two_patches_of_the_part(placed: pd.DataFrame, scores: pd.DataFrame) -> None:
    part = scores[scores["id"].isin(["r2-0", "r2-1", "r4-0"])]
    assert captions(placed, part) == ["r2: 5 patches, 0 called wrongly"]


def test_patches_without_a_score_are_drawn_without_a_number(
    placed: pd.DataFrame, scores: pd.DataFrame
) -> None:
    known = scores[scores["id"].isin(["r2-0", "r2-1"])]
    figure = region_gallery.draw(placed, known, patches(placed))
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.90", "0.90"]
    assert len(figure.axes[0].patches) == SIZES["r2"]


def test_an_unlabelled_patch_of_the_same_id_has_no_score(
    placed: pd.DataFrame, scores: pd.DataFrame
) -> None:
    placed.loc[placed["id"] == "r2-0", "pool"] = "unlabelled"
    figure = region_gallery.draw(placed, scores[scores["id"].str.startswith("r2")], patches(placed))
    assert len(figure.axes[0].texts) == SIZES["r2"] - 1
