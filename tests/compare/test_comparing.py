"""Tests of `compare.comparing` and of the words of `compare.comparison_report`."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers import simulating
from metastasis.base.errors import InputError
from metastasis.compare import comparing, comparison_report
from metastasis.scores import intervals

NUM_REPEATS = 200


def models(*apart: float, num_slides: int = 30, seed: int = 0) -> list[pd.DataFrame]:
    return simulating.models(np.random.default_rng(seed), num_slides, *apart)


def small(**columns: object) -> pd.DataFrame:
    """Six patches of three slides, each with both classes."""
    table = pd.DataFrame({"id": list("abcdef"), "split": "test", "label": [0, 1] * 3})
    table["slide"] = ["x", "x", "y", "y", "z", "z"]
    table["logit"] = [0.1, 0.9, 0.2, 0.6, 0.7, 0.3]
    changed: dict[str, Any] = columns  # whatever pandas makes a column of
    return table.assign(**changed)


def test_a_planted_loss_is_called_regressed_and_its_mirror_improved() -> None:
    good, bad = models(2.6, 1.8)
    lost, won = comparing.compare([good], [bad]), comparing.compare([bad], [good])
    assert lost.verdict == "regressed"
    assert won.verdict == "improved"
    assert (won.low, won.high) == pytest.approx((-lost.high, -lost.low))
    assert won.difference == -lost.difference
    assert (won.base, won.head) == (lost.head, lost.base)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), num_slides=st.integers(1, 8))
def test_the_sides_swapped_give_the_mirrored_verdict(seed: int, num_slides: int) -> None:
    first, second = models(2.6, 2.2, num_slides=num_slides, seed=seed)
    if first["label"].nunique() < 2:
        return
    mirrored = {"improved": "regressed", "regressed": "improved", "no evidence": "no evidence"}
    forth, back = comparing.compare([first], [second]), comparing.compare([second], [first])
    assert back.verdict == mirrored[forth.verdict]


def test_the_interval_is_the_one_over_slides_computed_step_by_step() -> None:
    base = small()
    head = small(logit=[0.1, 0.9, 0.2, 0.6, 0.3, 0.8])
    # AUC: head tells every pair apart; base all but (0.7, 0.6), (0.7, 0.3).
    found = comparing.compare([base], [head])
    assert found.base == pytest.approx((7 / 9,))
    assert found.head == (1.0,)
    assert found.difference == pytest.approx(2 / 9)
    # Base without x: 2 of 4 pairs; without y: 3 of 4; without z: all.
    without = np.array([1 - 2 / 4, 1 - 3 / 4, 0])
    squares = (without - without.mean()) ** 2
    freedom = min(2, 3 * squares.sum() ** 2 / np.sum(squares**2) - 1)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(2 / 3 * squares.sum())
    assert (found.low, found.high) == pytest.approx((2 / 9 - half, 2 / 9 + half))
    assert (found.num_patches, found.num_units, found.unit) == (6, 3, "slides")


def test_only_test_patches_count_and_in_any_order() -> None:
    base, head = models(2.6, 2.0)
    found = comparing.compare([base], [head])
    other = head.assign(id="v" + head["id"], split="validation", logit=-head["logit"])
    mixed = pd.concat([other, head]).sample(frac=1, random_state=0)
    assert comparing.compare([base], [mixed]) == found


def test_identical_predictions_are_no_evidence_and_told() -> None:
    (scores,) = models(2.6)
    found = comparing.compare([scores], [scores.copy()])
    assert found.are_identical
    assert found.verdict == "no evidence"
    assert found.difference == 0
    assert "The predictions are identical." in comparison_report.markdown(found)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), num_base=st.integers(1, 5), num_head=st.integers(1, 5))
def test_models_that_rank_alike_are_never_told_apart(
    seed: int, num_base: int, num_head: int
) -> None:
    """Whatever rounding leaves of a difference of means."""
    (scores,) = models(2.6, num_slides=6, seed=seed)
    if scores["label"].nunique() < 2:
        return
    steeper = scores.assign(logit=3 * scores["logit"] + 1)
    found = comparing.compare([scores] * num_base, [steeper] * num_head)
    assert found.difference == 0
    assert found.verdict == "no evidence"
    assert not found.are_identical


def test_several_models_a_side_speak_for_the_recipe_if_they_differ() -> None:
    six = models(*[2.6] * 6)
    assert comparing.compare(six[:3], six[3:]).is_about_recipes
    assert not comparing.compare(six[:2], six[2:]).is_about_recipes
    assert not comparing.compare([six[0]] * 3, six[3:]).is_about_recipes


def test_a_model_named_twice_counts_once() -> None:
    six = models(*[2.6] * 6)
    assert comparing.compare(six[:3] * 5, six[3:] * 5) == comparing.compare(six[:3], six[3:])


def test_areas_come_in_the_order_in_which_models_are_named() -> None:
    best, worst, middle = models(2.6, 1.3, 1.9)
    found = comparing.compare([best, worst, middle], [middle, best, middle, worst])
    first, second, third = found.base
    assert first > third > second
    assert found.head == (third, first, second)


def test_how_models_of_a_side_scatter_widens_the_interval() -> None:
    """A head whose models differ widely shows less than one of equal mean whose models agree."""
    base = models(2.6, 2.6, 2.6)
    alike, apart = [1.9, 1.9, 1.9], [1.3, 1.9, 2.7]
    narrow = comparing.compare(base, models(*[2.6] * 3, *alike)[3:])
    wide = comparing.compare(base, models(*[2.6] * 3, *apart)[3:])
    assert narrow.verdict == "regressed"
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.verdict == "no evidence"


def test_where_slides_are_unknown_the_interval_is_delongs_over_patches() -> None:
    slides = [*[None] * 4, "z", "z"]
    base = small(slide=slides)
    head = small(slide=slides, logit=[0.1, 0.9, 0.2, 0.6, 0.3, 0.8])
    found = comparing.compare([base], [head])
    assert (found.unit, found.num_units) == ("patches", 6)
    # Where each positive stands in base among the negatives 0.1, 0.2, 0.7, and the other way.
    spread = np.var([1, 2 / 3, 2 / 3], ddof=1) / 3 + np.var([1, 1, 1 / 3], ddof=1) / 3
    half = stats.norm.ppf(0.975) * np.sqrt(spread)
    assert (found.low, found.high) == pytest.approx((2 / 9 - half, 2 / 9 + half))
    assert "too narrow" in comparison_report.markdown(found)


def test_where_only_regions_are_known_they_are_left_out_together() -> None:
    slides, regions = [*[None] * 4, "z", "z"], ["a", "b", "c", "c", "d", "d"]
    base, head = (
        small(slide=slides, logit=logits).assign(region=regions)
        for logits in ([0.1, 0.2, 0.9, 0.7, 0.2, 0.8], [0.1, 0.9, 0.2, 0.6, 0.3, 0.8])
    )
    found = comparing.compare([base], [head])
    assert (found.unit, found.num_units) == ("regions", 4)
    known = comparing.compare(*([side.assign(slide=regions)] for side in (base, head)))
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    text = comparison_report.markdown(found)
    assert "by leaving out groups of the 4 regions in which patches overlap" in text
    assert "too narrow" in text
    older = comparing.compare([base], [head.drop(columns="region")])
    assert older.unit == "regions"


def test_of_two_sides_regions_the_larger_ones_count_on_whichever_side_they_are() -> None:
    base, head = (table.assign(slide=None) for table in models(2.6, 2.2))
    small, large = np.arange(len(base)).astype(str), (np.arange(len(base)) // 5).astype(str)
    forth = comparing.compare([base.assign(region=small)], [head.assign(region=large)])
    back = comparing.compare([base.assign(region=large)], [head.assign(region=small)])
    assert forth == back
    assert forth.num_units == len(set(large))


def test_the_side_that_knows_more_patients_tells_them() -> None:
    base, head = models(2.6, 2.2, num_slides=40)
    slides = base["slide"]
    half = slides.where(slides.astype(int) % 2 == 0)
    sides = base.assign(patient=half, slide=None), head.assign(patient=slides, slide=None)
    for pair in (sides, sides[::-1]):
        found = comparing.compare(*([side] for side in pair))
        assert (found.unit, found.num_units, found.num_unknown) == ("patients", 40, 0)


def test_unknown_slides_are_told() -> None:
    base, head = models(2.6, 2.2)
    for side in (base, head):
        side.loc[:6, "slide"] = None
    text = comparison_report.markdown(comparing.compare([base], [head]))
    assert "The slide of 7 of these patches is unknown." in text


def test_a_few_unknown_slides_change_no_verdict() -> None:
    """Each patch by itself, or all of them by region, would make 20 slides look like 1,900."""
    num_told_apart = 0
    for seed in range(60):
        sides = models(2.6, 2.6, num_slides=20, seed=seed)
        known = comparing.compare(sides[:1], sides[1:])
        unknown = np.random.default_rng(seed).choice(len(sides[0]), 1 + seed, replace=False)
        for side in sides:
            side.loc[unknown, "slide"] = None
        found = comparing.compare(sides[:1], sides[1:])
        assert (found.unit, found.num_units) == ("slides", known.num_units)
        assert found.num_unknown == 1 + seed
        assert 0.7 < (found.high - found.low) / (known.high - known.low) < 1.3
        num_told_apart += found.verdict != "no evidence"
    assert num_told_apart <= stats.binom.ppf(0.999, 60, 1 - intervals.LEVEL)


@pytest.mark.parametrize(
    "slides",
    [
        ["x"] * 6,  # a single slide
        ["x", "p", "x", "p", "x", "p"],  # all positives on one
    ],
)
def test_a_class_on_one_slide_leaves_no_interval_and_no_evidence(slides: list[str]) -> None:
    better = small(slide=slides, logit=[0.1, 0.9, 0.2, 0.6, 0.3, 0.8])
    found = comparing.compare([small(slide=slides)], [better])
    assert np.isnan([found.low, found.high]).all()
    assert found.verdict == "no evidence"
    text = comparison_report.markdown(found)
    assert "Each class must occur on at least two slides." in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            small(id=list("abcdxy")),
            r"sets differ: 4 patches are in both, 2 and 2 in only one \(e, f, x, \.\.\.\)",
        ),
        (small()[:5], r"5 patches are in both, 1 and 0 in only one \(f\)"),
        (
            small(label=[0, 1, 0, 1, 1, 0]),
            r"2 test patches have a different label in two models \(e, f\)",
        ),
        (small(slide=list("xxyyzx")), r"1 test patches have a different slide in two models \(f\)"),
        (
            small(slide=["x", "x", "y", "y", "z", None]),
            r"1 test patches have a different slide in two models \(f\)",
        ),
        (small(split="validation"), r"none of a model's 6 scores is of the test part"),
        (small(logit=[0.1, np.nan, 0.2, np.inf, 0.7, 0.3]), r"logits of 2 test.* \(b, d\)"),
        (small(id=list("aabcde")), r"1 rows of the test part repeat an id \(a\)"),
    ],
)
def test_what_cant_be_compared_is_refused_with_counts_and_names(
    head: pd.DataFrame, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        comparing.compare([small()], [head])


def test_test_patches_of_one_class_are_refused() -> None:
    scores = small(label=[1] * 6)
    with pytest.raises(InputError, match="the 6 test patches are of one class; no AUC is defined"):
        comparing.compare([scores], [scores])


FOUND = comparing.Comparison(
    base=(0.9602,),
    head=(0.94, 0.95),
    difference=-0.0152,
    low=-0.0301,
    high=-0.0003,
    unit="slides",
    num_patches=1800,
    num_units=21,
    num_unknown=0,
    are_identical=False,
    is_about_recipes=False,
)


def test_the_report_holds_verdict_areas_interval_and_what_it_is_of() -> None:
    assert comparison_report.markdown(FOUND) == (
        "**regressed**: test AUC 0.9602 -> 0.9450\n"
        "\n"
        "| side | models | mean AUC | AUC of each |\n"
        "|---|---|---|---|\n"
        "| base | 1 | 0.9602 | 0.9602 |\n"
        "| head | 2 | 0.9450 | 0.9400, 0.9500 |\n"
        "\n"
        "The difference, head - base, is -0.0152 (95 % interval -0.0301 to -0.0003), over 1,800 "
        "test patches of 21 slides, by leaving out one slide at a time.\n"
        "\n"
        "The verdict is about these models. A claim about a recipe needs at least 3 models per "
        "side, trained with different seeds.\n"
    )


def test_the_report_warns_of_few_slides_and_lets_enough_models_speak() -> None:
    few = dataclasses.replace(FOUND, num_units=intervals.FEW_SLIDES - 1, is_about_recipes=True)
    text = comparison_report.markdown(few)
    assert "Warning: 14 slides are few; below 15 the intervals are rough and wide" in text
    assert "recipe" not in text
    enough = dataclasses.replace(FOUND, num_units=intervals.FEW_SLIDES)
    assert "Warning" not in comparison_report.markdown(enough)


@pytest.mark.slow
def test_equal_models_are_called_different_no_more_often_than_claimed() -> None:
    """If it were 5 % of the time, more would be found once in 1,000 such tests."""
    found = [
        comparing.compare(*([each] for each in models(2.6, 2.6, seed=seed))).verdict
        for seed in range(NUM_REPEATS)
    ]
    num_wrong = NUM_REPEATS - found.count("no evidence")
    assert num_wrong <= stats.binom.ppf(0.999, NUM_REPEATS, 0.05)


def with_patients(models_: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Two slides to a patient."""
    return [
        table.assign(patient="p" + (table["slide"].astype(int) // 2).astype(str))
        for table in models_
    ]


def test_patients_are_left_out_where_one_side_knows_them() -> None:
    base, head = models(2.6, 2.2)
    slides = comparing.compare([base], [head])
    (head,) = with_patients([head])
    found = comparing.compare([base.assign(patient=None)], [head])
    assert (found.unit, found.num_units) == ("patients", 15)
    assert (found.low, found.high) != (slides.low, slides.high)
    text = comparison_report.markdown(found)
    assert "of 15 patients, by leaving out one patient at a time" in text
    assert "slide" not in text


def test_patients_that_differ_are_refused() -> None:
    base, head = with_patients(models(2.6, 2.2))
    with pytest.raises(InputError, match="test patches have a different patient"):
        comparing.compare([base], [head.assign(patient="x")])
