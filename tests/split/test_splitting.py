"""Tests of `split.splitting`: every patch once, groups whole, shares and balance as asked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.patches import sha1, symmetries, texture
from metastasis import stains, tables
from metastasis.base.errors import InputError
from metastasis.formats import images
from metastasis.formats.images import Frames
from metastasis.hashes.copies import Copies
from metastasis.ingest import overlapping
from metastasis.patches import shards
from metastasis.split import grouping, split_params, splitting

PARAMS = split_params.SplitParams(
    seed=1, validation=0.2, test=0.2, groups="slide", official=False, folds=None
)


def assign(
    table: pd.DataFrame, validation: float, test: float, seed: int, **changes: object
) -> pd.DataFrame:
    """Split by slide, whatever the order of the rows."""
    asked = {"validation": validation, "test": test, "seed": seed} | changes
    table = table.assign(group=grouping.by_unit(table))
    return splitting.assign(PARAMS.model_copy(update=asked), table)


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


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), num_slides=st.integers(12, 80))
def test_every_patch_is_in_one_split_and_no_slide_in_two(seed: int, num_slides: int) -> None:
    table = manifest(seed, num_slides)
    split = assign(table, 0.2, 0.2, seed)
    assert split["id"].tolist() == table["id"].tolist()
    assert split.groupby("slide")["split"].nunique().max() == 1
    assert set(split["split"]) == set(tables.SPLITS)
    assert tables.is_slide_disjoint(split)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    table = manifest(seed, 30)
    shuffled = table.sample(frac=1, random_state=seed)
    first, second = (assign(rows, 0.2, 0.2, 1).set_index("id") for rows in (table, shuffled))
    pd.testing.assert_frame_equal(first, second.loc[first.index])


def test_sizes_and_balance_are_met_on_200_layouts_of_40_slides() -> None:
    """Sizes within 2 percentage points and class balance within 1, in at least 95 % of layouts."""
    num_met = 0
    for seed in range(200):
        table = manifest(seed, 40, spread=0.35)
        split = assign(table, 0.2, 0.2, seed)
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
        for split in (assign(table, 0.2, 0.2, seed) for seed in range(5))
    ]
    assert len(set(chosen)) == 5


def test_large_slides_are_not_kept_for_training() -> None:
    """Chance, not size, says where a slide goes: over seeds the largest is tested now and then."""
    table = manifest(0, 40)
    largest = table["slide"].value_counts().index[0]
    where = [
        assign(table, 0.2, 0.2, seed).set_index("slide")["split"][largest].iloc[0]
        for seed in range(40)
    ]
    assert 2 <= where.count("test") <= 16


def test_patches_without_slides_are_split_by_class_exactly() -> None:
    table = pd.DataFrame({"id": [f"{i:05d}" for i in range(10_000)], "slide": np.nan})
    table["label"] = (np.arange(10_000) % 5 < 2).astype(int)
    split = assign(table, 0.2, 0.1, 3)
    counts = pd.crosstab(split["split"], split["label"])
    assert list(counts.loc["test"]) == pytest.approx([600, 400], abs=1)
    assert list(counts.loc["validation"]) == pytest.approx([1200, 800], abs=1)
    assert not tables.is_slide_disjoint(split)


def test_a_patch_without_a_slide_makes_no_group_with_another() -> None:
    table = manifest(0, 30)
    table.loc[:9, "slide"] = None
    split = assign(table, 0.2, 0.2, 0)
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
    split = assign(pd.concat([table, loose]), 0.2, 0.2, seed)
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
        assign(table.assign(label=labels), 0.3, 0.3, 0)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ValueError, match="must leave a share for training"):
        PARAMS.model_validate(PARAMS.model_dump() | {"validation": 0.5, "test": 0.5})


LINKS = ("num_exact_copies", "num_near_copies", "num_overlaps", "num_patches_on_train")


def links(
    exact: NDArray[np.int64], near: NDArray[np.int64], overlaps: NDArray[np.int64]
) -> grouping.Links:
    return grouping.Links(Copies(exact, near, 2), overlaps)


def test_the_numbers_of_a_split_are_counted_from_its_rows() -> None:
    table = pd.DataFrame(
        {
            "id": list("abcdef"),
            "label": [0, 1, 0, 1, 0, 1],
            "slide": ["x", "x", "y", "y", "z", "z"],
            "region": list("aaadee"),
            "group": ["x", "x", "y", "y", "z", "z"],
            "split": ["train"] * 2 + ["validation"] * 2 + ["test"] * 2,
        }
    )
    exact, near = np.array([[0, 1], [0, 2], [0, 5]]), np.array([[3, 4]])
    overlaps = np.array([[0, 1], [1, 3], [0, 3], [3, 4]])
    described = splitting.describe(table, links(exact, near, overlaps))
    assert described["slide_disjoint"] is True
    counts = {"num_slides": 0, "num_exact_copies": 2, "num_near_copies": 1, "num_overlaps": 3}
    assert described["leaks"] == counts | {"num_patches_on_train": 1}
    assert described["num_overlaps"] == 4
    assert (described["num_regions"], described["largest_region"]) == (2, 3)
    assert (described["num_exact_copies"], described["num_near_copies"]) == (3, 1)
    assert described["largest_group_share"] == pytest.approx(1 / 3)
    assert described["test"] == {
        "num_patches": 2,
        "num_slides": 1,
        "num_groups": 1,
        "share": pytest.approx(1 / 3),
        "positive_share": 0.5,
    }
    shared = splitting.describe(table.assign(slide="x"), links(exact, near, overlaps))
    assert shared["slide_disjoint"] is False
    assert shared["leaks"]["num_slides"] == 1


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), num_slides=st.integers(40, 80))
def test_slides_of_a_patient_stay_together(seed: int, num_slides: int) -> None:
    table = manifest(seed, num_slides)
    slide = table["slide"].str[1:].astype(int)
    patient = ("p" + (slide // 3).astype(str)).where(slide % 5 != 0)  # of a fifth it's unknown
    split = assign(table.assign(patient=patient.where(slide > 9)), 0.2, 0.2, seed)
    assert split.groupby("patient")["split"].nunique().max() == 1
    assert split.groupby("slide")["split"].nunique().max() == 1


def test_patients_that_stand_in_two_splits_are_counted() -> None:
    table = pd.DataFrame(
        {
            "slide": ["x", "y", "z", "z"],
            "patient": ["p", "p", "q", None],
            "split": ["train", "test", "train", "test"],
        }
    )
    none = np.zeros((0, 2), np.int64)
    leaks = grouping.leaks(table, links(none, none, none), tables.SPLITS)
    assert leaks["num_patients"] == 1
    assert leaks["num_slides"] == 1


def test_a_patient_and_a_slide_of_one_name_are_two_groups() -> None:
    table = pd.DataFrame(
        {"id": ["a", "b", "c"], "slide": ["3", "4", None], "patient": [None, "3", None]}
    )
    assert grouping.by_unit(table).tolist() == ["3", "patient:3", "patch:c"]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), num_slides=st.integers(20, 80), folds=st.integers(2, 5))
def test_with_folds_every_patch_is_tested_or_in_one_fold_and_no_slide_in_two(
    seed: int, num_slides: int, folds: int
) -> None:
    table = manifest(seed, num_slides)
    split = assign(table, 0.2, 0.2, seed, folds=folds)
    is_test = split["split"] == "test"
    assert (split.loc[is_test, "fold"] == "").all()
    assert set(split.loc[~is_test, "fold"]) == {str(number) for number in range(folds)}
    assert ((split["fold"] == "0") == (split["split"] == "validation")).all()
    assert split.groupby("slide")["fold"].nunique().max() == 1


def test_test_is_the_same_with_and_without_folds() -> None:
    """Else nobody could tell whether folds help: the models would be tested on other slides."""
    table = manifest(3, 40)
    whole, *folded = (assign(table, 0.2, 0.2, 1, folds=folds) for folds in (None, 3, 5))
    for split in folded:
        assert ((split["split"] == "test") == (whole["split"] == "test")).all()


def test_more_folds_than_groups_is_told() -> None:
    with pytest.raises(InputError, match=r"groups .* expected at least 30, one for each of 0, 1"):
        assign(manifest(1, 20), 0.2, 0.2, 1, folds=30)


def test_three_patches_cannot_be_split() -> None:
    table = pd.DataFrame({"id": list("abc"), "slide": None, "label": [0, 1, 0]})
    with pytest.raises(InputError, match=r"2 groups .* hold negative patches; expected at least 3"):
        assign(table, 0.2, 0.2, 1)


# The stage: whole runs on small sources with planted copies


def write(folder: Path, patches: list[NDArray[np.uint8]], slides: Sequence[str | None]) -> None:
    """Write manifest, inventory and shards of patches whose labels alternate."""
    ids = [f"p{number:05d}" for number in range(len(patches))]
    buffer = np.empty((len(patches), 96, 96, 3), np.uint8)
    found = images.inspect(patches, buffer, Frames())
    shards_folder = folder / "patches"
    shards_folder.mkdir()
    writer = shards.Writer(shards_folder, 96)
    places = writer.extend(found.patches)
    writer.close()
    inventory = pd.DataFrame(found.measures).assign(
        id=ids, pool="labelled", shard=places[:, 0], row=places[:, 1], perceptual_hash=found.hashes
    )
    inventory.to_parquet(folder / "inventory.parquet")
    shards.write_index(shards_folder, inventory)
    shards.write_overlaps(shards_folder, overlapping.table(inventory, shards.read(shards_folder)))
    labels = [number % 2 for number in range(len(patches))]
    official = ["train", "train", "validation", "validation", "test", "test"]
    table = pd.DataFrame({"id": ids, "label": labels, "slide": slides})
    table["official"] = [official[number % 6] for number in range(len(patches))]
    table.to_csv(folder / "manifest.csv", index=False)


def run(folder: Path, **changes: object) -> tuple[pd.DataFrame, dict[str, Any]]:
    splitting.split(
        PARAMS.model_copy(update=changes),
        folder / "manifest.csv",
        folder / "inventory.parquet",
        folder / "patches",
        split_path=folder / "split.csv",
        metrics_path=folder / "split.json",
        plots_folder=folder / "plots",
    )
    table = tables.read_patches(folder / "split.csv").set_index("id")
    return table, json.loads((folder / "split.json").read_text())


ORIGINALS = [texture(seed) for seed in range(60)]


def test_copies_join_the_slides_they_stand_on(tmp_path: Path) -> None:
    slides = [f"s{number // 2:02d}" for number in range(60)]
    copies = [ORIGINALS[0], symmetries(ORIGINALS[4])[5]]  # of s00 and s02, on s28 and s29
    write(tmp_path, [*ORIGINALS[:56], ORIGINALS[56], copies[0], copies[1], ORIGINALS[59]], slides)
    split, metrics = run(tmp_path)
    group = split["group"]
    assert group["p00057"] == group["p00000"] == "s00"
    assert group["p00058"] == group["p00004"] == "s02"
    assert group["p00056"] == "s00"
    assert split.groupby("group")["split"].nunique().max() == 1
    assert (metrics["num_exact_copies"], metrics["num_near_copies"]) == (1, 1)
    assert not any(metrics["leaks"].values())
    assert metrics["slide_disjoint"] is True


def test_without_slides_copies_are_kept_together_all_the_same(tmp_path: Path) -> None:
    turned = [symmetries(patch)[number % 8] for number, patch in enumerate(ORIGINALS)]
    write(tmp_path, ORIGINALS + turned, [None] * 120)
    split, metrics = run(tmp_path)
    assert split["group"].nunique() == 60
    assert metrics["leaks"] == dict.fromkeys(LINKS, 0)  # slides: unknown
    assert split.groupby("group")["split"].nunique().max() == 1
    assert metrics["slide_disjoint"] is False
    assert metrics["num_exact_copies"] + metrics["num_near_copies"] == 60


def test_a_split_by_patch_leaks_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, ORIGINALS + ORIGINALS, [f"s{number % 20}" for number in range(120)])
    _, metrics = run(tmp_path, groups="patch")
    assert metrics["leaks"]["num_slides"] > 10
    assert metrics["leaks"]["num_exact_copies"] > 10
    assert metrics["slide_disjoint"] is False
    assert "are in more than one split; the numbers are optimistic" in capsys.readouterr().out


def test_a_leak_among_kept_slides_stops_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grouping is sabotaged, since without it no leak can come about."""
    write(tmp_path, ORIGINALS + ORIGINALS, [f"s{number // 3}" for number in range(120)])
    monkeypatch.setattr(grouping, "join", lambda _patches, groups, _links: groups)
    with pytest.raises(InputError, match=r"split: \d+ pairs of exact copies are in more than one"):
        run(tmp_path)
    assert not (tmp_path / "split.csv").exists()


def test_leaks_are_counted_for_each_pair_of_splits() -> None:
    table = pd.DataFrame(
        {
            "slide": ["x", "x", "x", "y", "y", None],
            "split": ["train", "validation", "test", "train", "test", "test"],
        }
    )
    linked = links(
        np.array([[0, 1], [1, 2]]), np.array([[3, 5], [4, 5]]), np.array([[0, 3], [2, 4], [1, 4]])
    )
    found = {
        pair: tuple(grouping.leaks(table, linked, pair).values())
        for pair in (("train", "validation"), ("train", "test"), ("validation", "test"))
    }
    assert found == {
        ("train", "validation"): (1, 1, 0, 0, 0),
        ("train", "test"): (2, 0, 1, 0, 0),
        ("validation", "test"): (1, 1, 0, 1, 0),
    }
    assert tuple(grouping.leaks(table, linked, tables.SPLITS).values()) == (2, 2, 1, 1, 0)


def test_official_splits_are_taken_as_they_are_and_their_leaks_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, [*ORIGINALS[:59], ORIGINALS[0]], [f"s{number // 6}" for number in range(60)])
    split, metrics = run(tmp_path, official=True)
    manifest = pd.read_csv(tmp_path / "manifest.csv").set_index("id")
    assert (split["split"] == manifest["official"]).all()
    counts = dict.fromkeys(LINKS, 0) | {"num_exact_copies": 1}
    assert metrics["leaks"] == {"num_slides": 10} | counts
    assert "10 slides, 1 pairs of exact copies are in more" in capsys.readouterr().out


def test_official_splits_without_a_test_part_are_taken(tmp_path: Path) -> None:
    write(tmp_path, ORIGINALS, [None] * 60)
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text().replace("test", "train"))
    split, metrics = run(tmp_path, official=True)
    assert set(split["split"]) == {"train", "validation"}
    assert "test" not in metrics


def test_official_splits_without_validation_are_told_what_helps(tmp_path: Path) -> None:
    write(tmp_path, ORIGINALS, [None] * 60)
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text().replace("validation", "train"))
    message = "validation got 0 patches .* add the files of this part, or set split.official: false"
    with pytest.raises(InputError, match=message):
        run(tmp_path, official=True)


def test_official_splits_that_are_not_known_are_told(tmp_path: Path) -> None:
    write(tmp_path, ORIGINALS, [None] * 60)
    path = tmp_path / "manifest.csv"
    path.write_text(path.read_text().replace("validation", ""))
    with pytest.raises(InputError, match="20 of 60 patches have no official split"):
        run(tmp_path, official=True)
    assert not (tmp_path / "split.csv").exists()


def test_stain_groups_hold_out_colours(tmp_path: Path) -> None:
    """Patches in 24 colours: those of one colour stay together, whatever their slide."""
    random = np.random.default_rng(0)
    colours = random.uniform(0.3, 1.0, (24, 3))
    patches = [(texture(seed) * colours[seed % 24]).astype(np.uint8) for seed in range(240)]
    write(tmp_path, patches, [None] * 240)
    split, metrics = run(tmp_path, groups="stain")
    assert split["group"].str.startswith("stain:").all()
    assert split.groupby("group")["split"].nunique().max() == 1
    assert 8 <= split["group"].nunique() <= 24
    assert metrics["slide_disjoint"] is False


def test_overlaps_keep_regions_whole_but_join_no_stains() -> None:
    """A region between every two of 24 colours: joined by them, all patches would be one group."""
    random = np.random.default_rng(0)
    colours = random.uniform(60, 220, (24, 3))
    table = pd.DataFrame(colours[np.arange(1200) % 24], columns=stains.COLOURS)
    table["region"] = [f"r{number}" for number in range(1200)]
    linked = np.arange(24)  # rows of all colours, each in a region with the next colour
    table.loc[linked, "region"] = [f"linked{number // 2}" for number in linked]
    table.loc[linked + 24, "region"] = [f"chain{(number + 1) // 2}" for number in linked]
    groups = grouping.by_stain(table, seed=1)
    assert groups.groupby(table["region"]).nunique().max() == 1
    assert groups.value_counts(normalize=True).max() < 0.2


def test_one_group_of_most_patches_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slides = ["large" if number < 20 else f"s{number // 2}" for number in range(60)]
    write(tmp_path, ORIGINALS, slides)
    run(tmp_path)
    assert "one group holds 33% of the patches" in capsys.readouterr().out


def test_sizes_that_groups_do_not_allow_are_told_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, ORIGINALS, [f"s{number // 20}" for number in range(60)])  # three slides
    run(tmp_path)
    told = capsys.readouterr().out
    assert (
        "validation holds 33.3% of the patches (20.0% requested), 50.0% of them positive (50.0% of "
        "all are). Groups are kept whole, and the largest holds 33.3%." in told
    )
    assert "train holds 33.3% of the patches (60.0% requested)" in told


def test_a_balance_that_groups_do_not_allow_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, ORIGINALS, [f"s{number // 12}" for number in range(60)])
    path = tmp_path / "manifest.csv"
    table = pd.read_csv(path)
    num_positive = {"s0": 1, "s1": 3, "s2": 5, "s3": 7, "s4": 11}
    rank = table.groupby("slide").cumcount()
    table.assign(label=(rank < table["slide"].map(num_positive)).astype(int)).to_csv(path)
    run(tmp_path)
    told = capsys.readouterr().out
    assert "holds 20.0% of the patches (20.0% requested)" in told
    assert "of them positive (45.0% of all are)" in told


def test_what_was_asked_for_is_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, ORIGINALS, [f"s{number // 2}" for number in range(60)])
    for changes in ({}, {"folds": 4, "test": 0.2}):
        run(tmp_path, **changes)
        assert "requested" not in capsys.readouterr().out


def test_the_same_input_gives_the_same_bytes_in_any_order_of_rows(tmp_path: Path) -> None:
    write(tmp_path, ORIGINALS, [f"s{number // 2}" for number in range(60)])
    run(tmp_path)
    before = (tmp_path / "split.csv").read_bytes()
    manifest = pd.read_csv(tmp_path / "manifest.csv")
    manifest.sample(frac=1, random_state=0).to_csv(tmp_path / "manifest.csv", index=False)
    inventory = pd.read_parquet(tmp_path / "inventory.parquet")
    inventory.sample(frac=1, random_state=1).to_parquet(tmp_path / "inventory.parquet")
    run(tmp_path)
    assert (tmp_path / "split.csv").read_bytes() == before


def test_repeated_rows_change_nothing_unless_they_differ(tmp_path: Path) -> None:
    write(tmp_path, ORIGINALS, [f"s{number // 2}" for number in range(60)])
    run(tmp_path)
    before = (tmp_path / "split.csv").read_bytes()
    manifest = pd.read_csv(tmp_path / "manifest.csv")
    repeated = pd.concat([manifest, manifest[:7]])
    repeated.to_csv(tmp_path / "manifest.csv", index=False)
    run(tmp_path)
    assert (tmp_path / "split.csv").read_bytes() == before
    other = manifest[:1].assign(label=1 - manifest["label"])
    pd.concat([manifest, other]).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(InputError, match=r"lists 1 ids with different rows \(p00000\)"):
        run(tmp_path)


def test_flat_patches_join_nothing_and_are_counted(tmp_path: Path) -> None:
    flat = [np.full((96, 96, 3), 240, np.uint8)] * 12
    write(tmp_path, ORIGINALS + flat, [None] * 72)
    split, metrics = run(tmp_path)
    assert metrics["num_flat"] == 12
    assert metrics["num_exact_copies"] == metrics["num_near_copies"] == 0
    assert split["group"].is_unique


def test_the_hash_of_a_planted_patch_is_its_own() -> None:
    """The planting itself: a copy must be one, and an original no copy."""
    assert len({sha1(patch) for patch in ORIGINALS}) == 60
