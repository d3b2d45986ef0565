"""Tests of `scores.intervals` against cases computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from metastasis.scores import intervals

VALUES = np.array([0.1, 0.3, 0.3, 0.4, 0.6, 0.7])  # of six patches, each a slide
SLIDES = np.arange(6)
MANY = 10**6


def means_without(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    return intervals.without_each(lambda kept: [values[kept].mean()], groups)[:, 0]


def test_the_standard_error_of_a_mean_is_the_deviation_over_the_root_of_n() -> None:
    variance = intervals.jackknife(means_without(VALUES, SLIDES), MANY)
    assert variance.value == pytest.approx(np.var(VALUES, ddof=1) / 6)


def test_patches_of_a_slide_count_as_one() -> None:
    """Ten copies of each patch tell no more than one, if they are of one slide."""
    copied, slides = np.repeat(VALUES, 10), np.repeat(SLIDES, 10)
    once = intervals.jackknife(means_without(VALUES, SLIDES), MANY)
    by_slide = intervals.jackknife(means_without(copied, slides), MANY)
    assert by_slide.value == pytest.approx(once.value)
    assert by_slide.freedom == pytest.approx(once.freedom)
    by_patch = intervals.jackknife(means_without(copied, np.arange(60)), MANY)
    assert by_patch.value < once.value / 9


def test_the_degrees_of_freedom_are_those_of_the_groups_that_bear_the_variance() -> None:
    # Deviations 1, -1 and else nothing: 3 * 2 ** 2 / 2 - 1.
    assert intervals.jackknife(np.array([1.0, -1.0, 0, 0, 0]), MANY).freedom == 5
    # All equally far: 3 * 6 ** 2 / 6 - 1.
    assert intervals.jackknife(np.array([1.0, -1, 1, -1, 1, -1]), MANY).freedom == 17


def test_the_degrees_of_freedom_are_at_most_those_allowed_and_at_least_one() -> None:
    without = np.array([1.0, -1, 1, -1, 1, -1])
    assert intervals.jackknife(without, 3).freedom == 3
    assert intervals.jackknife(without, 0).freedom == 1


def test_an_interval_of_a_mean_is_that_of_students_t() -> None:
    spread = math.sqrt(np.var(VALUES, ddof=1) / 6)
    low, high = intervals.interval(0.4, means_without(VALUES, SLIDES), "plain", max_freedom=5)
    assert high - 0.4 == pytest.approx(stats.t.ppf(0.975, 5) * spread)
    assert low + high == pytest.approx(0.8)


def test_the_variances_of_parts_add_up_with_satterthwaites_freedom() -> None:
    low, high = intervals.student(0, intervals.Variance(1, 4), intervals.Variance(3, 6))
    assert high == pytest.approx(2 * stats.t.ppf(0.975, 16 / (1 / 4 + 9 / 6)))
    assert low == -high


def test_a_variance_that_is_known_for_sure_has_the_interval_of_a_normal() -> None:
    parts = intervals.Variance(4, np.inf), intervals.Variance(0, 1)
    low, high = intervals.student(0, *parts)
    assert (low, high) == pytest.approx((-2 * 1.959964, 2 * 1.959964))


@pytest.mark.parametrize("scale", ["logit", "log"])
@given(centre=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_a_share_stays_between_its_bounds(scale: intervals.Scale, centre: float, seed: int) -> None:
    spread = min(centre, 1 - centre) * 0.9
    without = centre + spread * np.random.default_rng(seed).uniform(-1, 1, 8)
    low, high = intervals.interval(centre, without, scale, max_freedom=7)
    assert 0 <= low < centre < high
    assert scale == "log" or high <= 1


def test_a_plain_interval_ends_at_zero() -> None:
    low, high = intervals.interval(0.01, np.array([0.0, 0.02, 0.03, 0.0]), "plain", max_freedom=3)
    assert low == 0
    assert high > 0.03


@pytest.mark.parametrize(
    ("estimate", "without", "scale", "max_freedom"),
    [
        (0.5, [0.4, np.nan, 0.6], "plain", 2),  # undefined without the second group
        (np.nan, [0.4, 0.5, 0.6], "plain", 2),
        (1.0, [1.0, 1.0, 0.9], "logit", 2),
        (0.0, [0.0, 0.1, 0.1], "logit", 2),
        (0.9, [0.8, 1.0, 0.9], "logit", 2),
        (0.0, [0.0, 0.1, 0.1], "log", 2),
        (0.5, [0.5, 0.5, 0.5], "logit", 2),  # doesn't move
        (0.5, [0.4, 0.5, 0.6], "logit", 0),  # a class stands in one group
        (0.5, [0.5], "logit", 1),  # a single group
    ],
)
def test_what_cant_be_told_has_no_interval(
    estimate: float, without: list[float], scale: intervals.Scale, max_freedom: int
) -> None:
    found = intervals.interval(estimate, np.array(without), scale, max_freedom)
    assert np.isnan(found).all()


def test_slides_are_left_out_whole_and_the_order_of_patches_is_kept() -> None:
    groups, unit = intervals.groups(pd.DataFrame({"slide": ["b", "a", "b", "NA"]}, dtype="str"))
    assert unit == "slides"
    assert groups.tolist() == [2, 1, 2, 0]
    kept = intervals.without_each(lambda kept: kept.astype(float), groups)
    assert kept.tolist() == [[1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1]]


def test_patients_that_are_all_known_are_left_out_with_all_their_slides() -> None:
    table = pd.DataFrame({"slide": ["b", "a", "c", None], "patient": ["p", "p", "q", "q"]})
    groups, unit = intervals.groups(table)
    assert unit == "patients"
    assert groups.tolist() == [0, 0, 1, 1]
    assert intervals.groups(table.assign(patient=None))[1] == "slides"


def test_where_most_slides_are_unknown_patches_are_dealt_evenly_into_groups() -> None:
    slides = pd.DataFrame({"slide": [None] * 126 + ["a"] * 124}, dtype="str")
    groups, unit = intervals.groups(slides)
    assert unit == "patches"
    assert sorted(set(np.bincount(groups))) == [2, 3]
    assert len(set(groups)) == intervals.NUM_DEALT
    assert groups.tolist() != sorted(groups)
    assert groups.tolist() == intervals.groups(slides)[0].tolist()


@given(num_unknown=st.integers(1, 20), seed=st.integers(0, 99))
def test_unknown_slides_leave_the_known_ones_whole(num_unknown: int, seed: int) -> None:
    """The others are dealt into groups as large as the slides: of ten patches here."""
    slides = pd.Series([f"s{number // 10}" for number in range(40)], dtype="str")
    unknown = np.random.default_rng(seed).choice(40, num_unknown, replace=False)
    regions = np.arange(40).astype(str)
    table = pd.DataFrame({"slide": slides, "region": regions})
    table.loc[unknown, "slide"] = None
    known = table["slide"].notna()
    for found in (intervals.groups, intervals.units):
        groups, unit = found(table)
        assert unit == "slides"
        pairs = pd.DataFrame({"slide": table["slide"], "group": groups})[known].drop_duplicates()
        assert len(pairs) == pairs["slide"].nunique() == pairs["group"].nunique()
        assert not set(groups[~known]) & set(groups[known])
        size = known.sum() / table["slide"].nunique()
        assert len(set(groups[~known])) == max(round(num_unknown / size), 1)
        shuffled = table.sample(frac=1, random_state=seed)
        assert (found(shuffled)[0] == groups[shuffled.index]).all()


def test_a_patch_of_an_unknown_slide_is_of_the_slide_that_it_overlaps() -> None:
    table = pd.DataFrame({"slide": ["a", None, "b", None, "b"], "region": list("xxyzy")})
    groups, unit = intervals.units(table)
    assert unit == "slides"
    assert groups.tolist() == [0, 0, 1, 2, 1]


def test_the_least_name_of_a_region_counts_whatever_the_order_of_the_rows() -> None:
    table = pd.DataFrame({"slide": ["b", "a", None, "c"], "region": list("xxxy")})
    groups, _ = intervals.units(table)
    assert groups.tolist() == [1, 0, 0, 2]
    assert intervals.units(table[::-1])[0].tolist() == [2, 0, 0, 1]
    assert intervals.has_unit(table).all()


def test_a_patch_of_an_unknown_patient_is_of_its_slides_patient() -> None:
    table = pd.DataFrame({"patient": ["p", None, "q"], "slide": ["a", "a", None]})
    groups, unit = intervals.units(table)
    assert (unit, groups.tolist()) == ("patients", [0, 0, 1])
    assert intervals.has_unit(table).all()


def test_slides_that_are_all_known_count_rather_than_half_of_the_patients() -> None:
    slides = [f"s{number // 10}" for number in range(400)]
    table = pd.DataFrame({"slide": slides, "patient": ["p"] * 200 + [None] * 200})
    groups, unit = intervals.groups(table)
    assert unit == "slides"
    assert len(set(groups)) == 40


def test_slides_of_unknown_patients_stay_whole() -> None:
    slides = [f"s{number // 5}" if number >= 15 else None for number in range(40)]
    patients = [f"p{number // 20}" if number < 30 else None for number in range(40)]
    groups, unit = intervals.units(pd.DataFrame({"slide": slides, "patient": patients}))
    assert unit == "patients"
    assert pd.Series(groups).groupby(pd.Series(slides)).nunique().max() == 1
    assert len(set(groups[30:])) == 1  # ten patches are fewer than a patient's fifteen


def test_regions_are_dealt_by_their_names_whatever_the_order_of_the_rows() -> None:
    regions = pd.DataFrame({"region": [f"r{number % 300}" for number in range(900)]})
    groups, unit = intervals.groups(regions)
    assert unit == "regions"
    assert pd.Series(groups).groupby(regions["region"]).nunique().max() == 1
    assert len(np.unique(groups)) == intervals.NUM_DEALT
    shuffled = regions.sample(frac=1, random_state=0)
    assert (intervals.groups(shuffled)[0] == groups[shuffled.index]).all()


def test_fewer_patches_than_groups_are_a_group_each() -> None:
    groups, _ = intervals.groups(pd.DataFrame({"slide": [None] * 7}, dtype="str"))
    assert sorted(groups) == list(range(7))


def test_the_groups_that_tell_are_those_of_the_rarer_class() -> None:
    groups = np.array([0, 0, 1, 1, 2, 2])
    assert intervals.num_informed(np.array([1, 0, 1, 0, 0, 0]), groups) == 2
    assert intervals.num_informed(np.array([1, 1, 1, 1, 1, 0]), groups) == 1
    assert intervals.num_informed(np.zeros(6, np.int64), groups) == 0


def test_the_ends_of_several_metrics_are_those_of_each_on_its_scale() -> None:
    random = np.random.default_rng(0)
    values, groups = random.uniform(0.2, 0.8, 60), np.arange(60) % 12
    labels = np.arange(60) // 12 % 2

    def measure(kept: NDArray[np.bool_]) -> dict[str, float]:
        return {"share": values[kept].mean(), "loss": values[kept].mean()}

    ends = intervals.ends(measure, labels, groups, {"loss": "log"})
    without = means_without(values, groups)
    assert ends["share"] == intervals.interval(values.mean(), without, "logit", 11)
    assert ends["loss"] == intervals.interval(values.mean(), without, "log", 11)
    alone = intervals.ends(measure, labels, np.zeros(60, np.int64))
    assert np.isnan(list(alone.values())).all()
