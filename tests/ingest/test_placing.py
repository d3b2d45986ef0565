"""Patches that overlap get the places that they were cut from."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from metastasis.ingest import placing
from metastasis.patches.shards import OVERLAP_COLUMNS

corners = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=2, max_size=12, unique=True
)


def pair(first: str, second: str, down: int, right: int) -> tuple[str, str, str, str, int, int]:
    return ("labelled", first, "labelled", second, down, right)


def overlaps(*pairs: tuple[str, str, str, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=OVERLAP_COLUMNS[:6])


def cut(places: list[tuple[int, int]]) -> pd.DataFrame:
    """Return the pairs that overlap among patches cut at `places`, called p00, p01 and so on."""
    pairs = []
    for one, (y, x) in enumerate(places):
        for other in range(one + 1, len(places)):
            down, right = places[other][0] - y, places[other][1] - x
            if max(abs(down), abs(right)) <= 80:
                pairs.append(pair(f"p{one:02}", f"p{other:02}", down, right))
    return overlaps(*pairs)


@given(corners)
def test_the_places_are_those_of_the_cut_up_to_the_regions_corner(
    places: list[tuple[int, int]],
) -> None:
    table = cut(places)
    placed = placing.place(table)
    assert set(placed["id"]) == set(table["id"]) | set(table["other_id"])
    for _, region in placed.groupby("region"):
        true = np.array([places[int(id_[1:])] for id_ in region["id"]])
        found = region[["down", "right"]].to_numpy()
        assert (found.min(axis=0) == 0).all()
        assert (true - true.min(axis=0) == found).all()


@given(corners)
def test_patches_are_in_one_region_exactly_if_overlaps_connect_them(
    places: list[tuple[int, int]],
) -> None:
    table = cut(places)
    region = placing.place(table).set_index("id")["region"]
    assert (table["id"].map(region) == table["other_id"].map(region)).all()
    for name, ids in region.groupby(region):
        assert name == min(ids.index)
        reached = {name}
        for _ in ids:
            reached |= set(table.loc[table["id"].isin(reached), "other_id"])
            reached |= set(table.loc[table["other_id"].isin(reached), "id"])
        assert reached == set(ids.index)


def test_a_region_whose_shifts_contradict_each_other_is_left_out() -> None:
    ring = [pair("a", "b", 0, 16), pair("b", "c", 0, 16), pair("a", "c", 0, 48)]
    placed = placing.place(overlaps(*ring, pair("x", "y", -3, 5)))
    assert placed.to_numpy().tolist() == [
        ["x", "labelled", "x", 3, 0],
        ["x", "labelled", "y", 0, 5],
    ]


def test_a_pair_with_two_shifts_is_left_out() -> None:
    assert not len(placing.place(overlaps(pair("a", "b", 0, 16), pair("a", "b", 0, 32))))


def test_without_overlaps_there_is_no_region() -> None:
    assert list(placing.place(overlaps()).columns) == ["region", "pool", "id", "down", "right"]


def test_regions_of_two_pools_have_names_apart_though_ids_are_equal() -> None:
    pairs = [
        ("labelled", "1", "labelled", "2", 0, 16),
        ("unlabelled", "1", "unlabelled", "3", 0, 16),
    ]
    table = pd.DataFrame(pairs, columns=OVERLAP_COLUMNS[:6])
    names = ["1", "1", "unlabelled:1", "unlabelled:1"]
    assert placing.place(table)["region"].tolist() == names


def test_a_region_is_named_by_a_labelled_patch_if_it_has_one() -> None:
    table = pd.DataFrame([("labelled", "z", "unlabelled", "a", 16, 0)], columns=OVERLAP_COLUMNS[:6])
    assert placing.place(table)["region"].tolist() == ["z", "z"]
