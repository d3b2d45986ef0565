"""Tests of `metastasis.splitting`: every patch once, groups whole, shares and balance as asked."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis import splitting, tables
from metastasis.errors import InputError


def manifest(seed: int, num_slides: int, *, spread: float = 0.6) -> pd.DataFrame:
    """Slides of unequal size, a third of them without positives, the rest 20-100 % positive."""
    random = np.random.default_rng(seed)
    sizes = np.round(40 * np.exp(random.normal(0, spread, num_slides))).astype(int) + 2
    shares = np.where(np.arange(num_slides) % 3 == 0, 0, random.uniform(0.2, 1, num_slides))
    slide = np.repeat(np.arange(num_slides), sizes)
    label = (random.random(len(slide)) < shares[slide]).astype(int)
    ids = random.permutation(len(slide))
    return pd.DataFrame(
        {
            "id": [f"{id_:06d}" for id_ in ids],
            "label": label,
            "slide": [f"s{number}" for number in slide],
        }
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), num_slides=st.integers(12, 80))
def test_every_patch_is_in_one_split_and_no_slide_in_two(seed: int, num_slides: int) -> None:
    table = manifest(seed, num_slides)
    split = splitting.assign(table, 0.2, 0.2, seed)
    assert split["id"].tolist() == sorted(table["id"])
    assert split.groupby("slide")["split"].nunique().max() == 1
    assert set(split["split"]) == set(tables.SPLITS)
    assert tables.is_slide_disjoint(split)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    table = manifest(seed, 30)
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(
        splitting.assign(table, 0.2, 0.2, 1), splitting.assign(shuffled, 0.2, 0.2, 1)
    )


def test_sizes_and_balance_are_met_on_200_layouts_of_40_slides() -> None:
    """Sizes within 2 percentage points and class balance within 1, in at least 95 % of layouts."""
    num_met = 0
    for seed in range(200):
        table = manifest(seed, 40, spread=0.35)
        split = splitting.assign(table, 0.2, 0.2, seed)
        parts = split.groupby("split")["label"]
        sizes = parts.size() / len(split)
        balance = parts.mean() - split["label"].mean()
        asked = pd.Series({"train": 0.6, "validation": 0.2, "test": 0.2})
        num_met += (sizes - asked).abs().max() <= 0.02 and balance.abs().max() <= 0.01
    assert num_met >= 190


def test_another_seed_gives_other_test_slides() -> None:
    table = manifest(0, 60)
    chosen = [
        frozenset(split.loc[split["split"] == "test", "slide"])
        for split in (splitting.assign(table, 0.2, 0.2, seed) for seed in range(5))
    ]
    assert len(set(chosen)) == 5


def test_large_slides_are_not_kept_for_training() -> None:
    """Chance, not size, says where a slide goes: over seeds the largest is tested now and then."""
    table = manifest(0, 40)
    largest = table["slide"].value_counts().index[0]
    where = [
        splitting.assign(table, 0.2, 0.2, seed).set_index("slide")["split"][largest].iloc[0]
        for seed in range(40)
    ]
    assert 2 <= where.count("test") <= 16


def test_patches_without_slides_are_split_by_class_exactly() -> None:
    table = pd.DataFrame({"id": [f"{i:05d}" for i in range(10_000)], "slide": np.nan})
    table["label"] = (np.arange(10_000) % 5 < 2).astype(int)
    split = splitting.assign(table, 0.2, 0.1, 3)
    counts = pd.crosstab(split["split"], split["label"])
    assert counts.loc["test"].tolist() == pytest.approx([600, 400], abs=1)
    assert counts.loc["validation"].tolist() == pytest.approx([1200, 800], abs=1)
    assert not tables.is_slide_disjoint(split)


def test_a_patch_without_a_slide_makes_no_group_with_another() -> None:
    table = manifest(0, 30)
    table.loc[:9, "slide"] = None
    split = splitting.assign(table, 0.2, 0.2, 0)
    alone = split[split["slide"].isna()]
    assert len(alone) == 10
    assert alone["group"].is_unique
    assert not tables.is_slide_disjoint(split)


@pytest.mark.parametrize("num_loose", [300, 3100])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_partial_slide_map_still_gives_the_shares_asked_for(seed: int, num_loose: int) -> None:
    table = manifest(0, 20, spread=0.9)
    random = np.random.default_rng(seed)
    loose = pd.DataFrame({"id": [f"x{number:05d}" for number in range(num_loose)], "slide": None})
    loose["label"] = random.integers(0, 2, num_loose)
    split = splitting.assign(pd.concat([table, loose]), 0.2, 0.2, seed)
    shares = split["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.2, abs=0.02)
    assert shares["validation"] == pytest.approx(0.2, abs=0.02)
    balance = split.groupby("split")["label"].mean() - split["label"].mean()
    assert balance.abs().max() <= 0.01


@pytest.mark.parametrize(
    ("slides", "labels", "message"),
    [
        ("aaaaaa", [0, 1] * 3, "1 groups .* hold negative patches; expected at least 3"),
        ("aabbcc", [0] * 6, "0 groups .* hold positive patches; expected at least 3"),
        ("aabbccdd", [0, 0, 0, 0, 0, 0, 1, 1], "1 groups .* hold positive patches"),
    ],
)
def test_what_cannot_be_split_is_told(slides: str, labels: list[int], message: str) -> None:
    table = pd.DataFrame({"id": [f"{i}" for i in range(len(slides))], "slide": list(slides)})
    with pytest.raises(InputError, match=message):
        splitting.assign(table.assign(label=labels), 0.3, 0.3, 0)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValueError, match="must leave a share for training"):
        splitting.SplitParams(seed=0, validation=0.5, test=0.5)


def test_the_numbers_of_a_split_are_counted_from_its_rows() -> None:
    table = pd.DataFrame(
        {
            "id": list("abcdef"),
            "label": [0, 1, 0, 1, 0, 1],
            "slide": ["x", "x", "y", "y", "z", "z"],
            "split": ["train"] * 2 + ["validation"] * 2 + ["test"] * 2,
        }
    )
    described = splitting.describe(table)
    assert described["slide_disjoint"] is True
    assert described["test"] == {
        "num_patches": 2,
        "num_slides": 1,
        "share": pytest.approx(1 / 3),
        "positive_share": 0.5,
    }
    assert splitting.describe(table.assign(slide="x"))["slide_disjoint"] is False
