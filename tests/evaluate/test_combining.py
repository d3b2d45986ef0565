"""Tests of `evaluate.combining` and `members`: nobody scores a patch that it trained on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis import members
from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.evaluate import combining
from metastasis.hashes.copies import Copies
from metastasis.members import Member
from metastasis.split import grouping, split_params, splitting
from metastasis.split.grouping import Links

PARAMS = split_params.SplitParams(
    seed=1, validation=0.2, test=0.2, groups="slide", official=False, folds=None
)


def table_of(seed: int, num_slides: int, num_links: int) -> tuple[pd.DataFrame, Links]:
    """Patches of slides of unequal size, some linked across slides as copies or by overlaps."""
    random = np.random.default_rng(seed)
    slide = np.repeat(np.arange(num_slides), random.integers(4, 30, num_slides))
    table = pd.DataFrame({"id": [f"p{number:04d}" for number in range(len(slide))]})
    table = table.assign(
        label=random.integers(0, 2, len(slide)), slide=[f"s{number}" for number in slide]
    )
    pairs = [random.integers(0, len(slide), (num_links, 2)) for _ in range(3)]
    return table, Links(Copies(pairs[0], pairs[1], num_flat=0), pairs[2])


def scored(split: pd.DataFrame, chosen: list[Member], seed: int = 0) -> dict[Member, pd.DataFrame]:
    """What each member gives, if it scores what it may."""
    random = np.random.default_rng(seed)
    found = {}
    for member in chosen:
        ids = members.unseen(split, member)["id"]
        logits = random.normal(size=len(ids)).astype(np.float32)
        found[member] = pd.DataFrame({"id": ids, "logit": logits})
    return found


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    num_slides=st.integers(24, 60),
    num_links=st.integers(0, 4),
    folds=st.integers(2, 4),
    num_seeds=st.integers(1, 2),
)
def test_no_member_scores_a_patch_that_it_saw_nor_one_of_its_copies_overlaps_or_slide(
    seed: int, num_slides: int, num_links: int, folds: int, num_seeds: int
) -> None:
    table, links = table_of(seed, num_slides, num_links)
    table["group"] = grouping.join(table, grouping.by_unit(table), links)
    split = splitting.assign(PARAMS.model_copy(update={"folds": folds, "seed": seed}), table)
    chosen = [Member(s, fold) for s in range(num_seeds) for fold in range(folds)]
    each = combining.logits(split, scored(split, chosen))
    combined = combining.average(split, each)
    assert set(combined["id"]) == set(table["id"])  # every patch is scored
    for member in chosen:
        # As the training takes them, told here anew: the folds of the others.
        learnt = (~split["fold"].isin(["", str(member.fold)])).to_numpy()
        divided = members.divide(split, member)
        assert ((divided["split"] == "train").to_numpy() == learnt).all()
        judged = each[member.key].notna().to_numpy()
        assert not (learnt & judged).any()
        assert not set(split["slide"][learnt]) & set(split["slide"][judged])
        for first, second in links.pairs:
            assert not (learnt[first] and judged[second])
            assert not (learnt[second] and judged[first])
    is_test = (split["split"] == "test").to_numpy()
    num_judges = each.notna().sum(axis=1).to_numpy()
    assert (num_judges == np.where(is_test, len(chosen), num_seeds)).all()


def small() -> pd.DataFrame:
    """Two test patches, and two in each of three folds, of which the first validates by default."""
    return pd.DataFrame(
        {
            "id": list("abcdefgh"),
            "label": [0, 1] * 4,
            "split": ["test"] * 2 + ["validation"] * 2 + ["train"] * 4,
            "fold": ["", "", *"001122"],
        }
    )


def test_a_score_is_the_mean_over_the_members_that_gave_one() -> None:
    chosen = [Member(s, fold) for s in (1, 2) for fold in (0, 1)]
    found = scored(small(), chosen)
    combined = combining.average(small(), combining.logits(small(), found)).set_index("id")
    by_id = {member: table.set_index("id")["logit"] for member, table in found.items()}
    assert list(combined.index) == list("abcdef")  # fold 2 validates nobody
    assert list(combined["split"]) == ["test"] * 2 + ["validation"] * 4
    assert combined["logit"].dtype == np.float32
    for id_ in "ab":
        expected = np.mean([logits[id_] for logits in by_id.values()], dtype=np.float64)
        assert combined["logit"][id_] == pytest.approx(expected, rel=1e-6)
    expected = np.mean([by_id[Member(s, 1)]["e"] for s in (1, 2)], dtype=np.float64)
    assert combined["logit"]["e"] == pytest.approx(expected, rel=1e-6)


def test_one_member_keeps_its_scores_to_the_bit_also_when_read(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    split = pd.DataFrame({"id": [f"{number:05d}" for number in range(20_000)], "fold": ""})
    split["split"] = random.choice(["train", "validation", "test"], len(split))
    found = scored(split, [Member(1, 0)])[Member(1, 0)]
    found["logit"] *= np.float32(10) ** random.integers(-6, 3, len(found)).astype(np.float32)
    files.write_csv(tmp_path / "1-0.csv", found)
    scores = {Member(1, 0): combining.read(tmp_path / "1-0.csv")}
    combined = combining.average(split, combining.logits(split, scores))
    np.testing.assert_array_equal(combined["logit"], found["logit"])
    expected = split[split["split"] != "train"]
    assert combined[["id", "split"]].equals(expected[["id", "split"]].reset_index(drop=True))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("abef", r"2 that it trained on or that aren't in the split \(e, f\); 2 missing \(c, d\)"),
        ("abc", r"member 1-0 are not of the 4 patches that it may score: 1 missing \(d\)"),
        ("abcdx", r"1 that it trained on or that aren't in the split \(x\)"),
        ("abcdd", r"score: 1 twice\. .* run `dvc repro score@1-0`"),
    ],
)
def test_scores_of_other_patches_are_refused(ids: str, message: str) -> None:
    found = pd.DataFrame({"id": list(ids), "logit": np.float32(0)})
    with pytest.raises(InputError, match=message):
        combining.logits(small(), {Member(1, 0): found})


def test_a_copy_of_another_members_scores_is_refused() -> None:
    chosen = [Member(1, 0), Member(2, 0)]
    found = scored(small(), chosen)
    combining.logits(small(), found)
    found[Member(2, 0)] = found[Member(1, 0)].copy()
    with pytest.raises(InputError, match="members 1-0 and 2-0 have the same scores"):
        combining.logits(small(), found)


@pytest.mark.parametrize(
    ("fold", "split", "message"),
    [
        (3, small(), r"needs fold 3, and the split has the folds 0, 1, 2"),
        (1, small().assign(fold=""), r"needs fold 1, and the split has no folds\."),
    ],
)
def test_a_fold_that_the_split_lacks_is_told(fold: int, split: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        members.divide(split, Member(1, fold))


@pytest.mark.parametrize(
    ("seeds", "folds", "message"),
    [
        ([], [0], "at least 1 item"),
        ([1], [], "at least 1 item"),
        ([1, 2, 1], [0], "names 1 twice"),
        ([1], [0, 0], "names 0 twice"),
        ([-1], [0], "greater than or equal to 0"),
        ([1], [-1], "greater than or equal to 0"),
    ],
)
def test_members_that_cannot_be_told_apart_are_refused(
    seeds: list[int], folds: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        members.MemberParams(seeds=seeds, folds=folds)


def test_each_seed_with_each_fold_is_a_member_in_dvcs_order() -> None:
    keys = [member.key for member in members.MemberParams(seeds=[3, 1], folds=[0, 2]).members]
    assert keys == ["3-0", "3-2", "1-0", "1-2"]
