"""Tests of `evaluate.abstaining`: sets cover new slides as promised, and say what is left open."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers import simulating
from metastasis.base import records
from metastasis.evaluate import abstaining
from metastasis.results.decision import Decision, Sets

# Probabilities in steps, so that there are ties, each with its slide.
PATCHES = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 30)), min_size=1, max_size=80)
COVERAGES = st.floats(0.01, 0.99)

NUM_REPEATS = 3000
NUM_SLIDES = 12  # of which about 7 hold tumour
PROMISED = 0.8
EFFECT = 2.0  # standard deviation of a slide's shift, in those of its patches


def arrays(patches: list[tuple[int, int]]) -> tuple[simulating.Floats, simulating.Ints]:
    probabilities, slides = np.array(patches).T
    return probabilities / 10, slides


@given(patches=PATCHES, coverage=COVERAGES)
def test_slides_of_equal_weight_reach_the_coverage_and_with_a_higher_threshold_do_not(
    patches: list[tuple[int, int]], coverage: float
) -> None:
    probabilities, slides = arrays(patches)
    threshold = abstaining.lowest(probabilities, slides, coverage)

    def covered(least: float) -> float:
        """Of all slides and a new one, of which nothing is known."""
        shares = pd.Series(probabilities >= least).groupby(slides).mean()
        return float(shares.sum() / (len(shares) + 1))

    num_slides = len(np.unique(slides))
    if covered(0) < coverage - 1e-9:
        assert (threshold, num_slides) == (0, min(num_slides, abstaining.least_groups(coverage)))
        return
    assert covered(threshold) >= coverage - 1e-8
    higher = probabilities[probabilities > threshold]
    assert not len(higher) or covered(higher.min()) < coverage


@given(patches=PATCHES, coverages=st.tuples(COVERAGES, COVERAGES))
def test_the_sets_of_a_higher_coverage_hold_those_of_a_lower_one(
    patches: list[tuple[int, int]], coverages: tuple[float, float]
) -> None:
    probabilities, slides = arrays(patches)
    low, high = sorted(coverages)
    labels = np.arange(len(slides)) % 2
    found = [abstaining.choose(labels, probabilities, slides, each) for each in (low, high)]
    asked = np.linspace(0, 1, 101)
    decisions = [Decision(tta="none", temperature=1, threshold=0.5, sets=sets) for sets in found]
    less, more = (decision.held(asked) for decision in decisions)
    assert less is not None
    assert more is not None
    assert ((more == less) | (more == "both")).all()


@given(patches=PATCHES, coverage=COVERAGES, repeats=st.integers(2, 4))
def test_a_slide_counts_once_however_many_patches_it_has(
    patches: list[tuple[int, int]], coverage: float, repeats: int
) -> None:
    probabilities, slides = arrays(patches)
    times = np.where(slides == slides[0], repeats, 1)  # every patch of one slide, several times
    again = abstaining.lowest(np.repeat(probabilities, times), np.repeat(slides, times), coverage)
    assert again == pytest.approx(abstaining.lowest(probabilities, slides, coverage), abs=1e-9)


def by_patch(probabilities: simulating.Floats, coverage: float) -> float:
    """The threshold of split conformal prediction, as if patches were exchangeable."""
    return abstaining.lowest(probabilities, np.arange(len(probabilities)), coverage)


def num_covered(*, is_by_slide: bool) -> int:
    """How many of one patch with tumour, each of a new slide, are covered; one per calibration."""
    num = 0
    for repeat in range(NUM_REPEATS):
        random = np.random.default_rng([5, repeat])
        labels, probabilities, slides = simulating.shifted(random, NUM_SLIDES, EFFECT)
        of_class = probabilities[labels == 1]
        threshold = (
            abstaining.lowest(of_class, slides[labels == 1], PROMISED)
            if is_by_slide
            else by_patch(of_class, PROMISED)
        )
        num += simulating.of_new_slide(random, EFFECT) >= threshold
    return num


# Once in 1,000 such tests, a coverage of exactly what is promised falls below it.
LEAST = int(stats.binom.ppf(0.001, NUM_REPEATS, PROMISED))


def test_a_patch_of_a_new_slide_is_covered_as_promised() -> None:
    assert num_covered(is_by_slide=True) >= LEAST


def test_sets_by_patch_cover_less_than_they_promise() -> None:
    assert num_covered(is_by_slide=False) < LEAST


@pytest.mark.parametrize(
    ("coverage", "least"), [(0.5, 1), (0.75, 3), (0.9, 9), (0.95, 19), (0.99, 99), (0.9999, 9999)]
)
def test_with_too_few_slides_every_set_holds_the_class(coverage: float, least: int) -> None:
    assert abstaining.least_groups(coverage) == least
    slides = np.arange(least)
    assert abstaining.lowest(0.5 + slides / 1000, slides, coverage) == 0.5  # the lowest of all
    assert abstaining.lowest(0.5 + slides[1:] / 1000, slides[1:], coverage) == 0


def test_too_few_slides_are_told_with_their_number_and_how_many_it_takes() -> None:
    labels, slides = np.array([0] * 20 + [1] * 3), np.array([*range(20), 0, 0, 1])
    sets = abstaining.choose(labels, np.linspace(0.1, 0.9, 23), slides, 0.95)
    assert (sets.tumour_from, sets.no_tumour_from > 0) == (0, True)
    [warning] = abstaining.warnings(sets, labels, slides, "slides")
    assert "0.95 takes 19 slides with patches of tumour in validation, which has 2" in warning


def test_constant_scores_leave_every_patch_to_a_pathologist() -> None:
    labels, slides = np.tile([0, 1], 50), np.repeat(np.arange(25), 4)
    sets = abstaining.choose(labels, np.full(100, 0.5), slides, 0.9)
    assert (sets.tumour_from, sets.no_tumour_from) == (0.5, 0.5)
    decision = Decision(tta="none", temperature=1, threshold=0.5, sets=sets)
    held = decision.held(np.full(3, 0.5))
    assert held is not None
    assert held.tolist() == ["both"] * 3


def test_one_slide_promises_nothing() -> None:
    sets = abstaining.choose(np.array([0, 1]), np.array([0.1, 0.9]), np.array([0, 0]), 0.9)
    assert (sets.tumour_from, sets.no_tumour_from) == (0, 0)


def test_thresholds_of_sure_patches_are_written_with_all_digits(tmp_path: Path) -> None:
    """Each is of its own class: 1 - 1e-9 would be rounded to 1."""
    slides = np.arange(40)
    labels, probabilities = slides % 2, np.where(slides % 2, 1.23456789e-7, 1 - 1.23456789e-7)
    sets = abstaining.choose(labels, probabilities, slides, 0.9)
    path = tmp_path / "decision.json"
    records.write(path, Decision(tta="none", temperature=1, threshold=0.5, sets=sets))
    read = records.read(path, Decision).sets
    assert read is not None
    assert read == sets
    assert read.tumour_from == 1.23456e-7
    assert read.no_tumour_from == pytest.approx(1.23456e-7, rel=1e-5)
    assert read.no_tumour_from <= (1 - probabilities[0])


def test_the_call_is_always_in_the_set() -> None:
    """Also where the thresholds would leave it empty, or with the other class alone."""
    for tumour_from, no_tumour_from, threshold in ((0.8, 0.7, 0.5), (0.6, 0.1, 0.2)):
        sets = Sets(coverage=0.9, tumour_from=tumour_from, no_tumour_from=no_tumour_from)
        decision = Decision(tta="none", temperature=1, threshold=threshold, sets=sets)
        asked = np.linspace(0, 1, 101)
        held = decision.held(asked)
        assert held is not None
        assert ((held == decision.calls(asked)) | (held == "both")).all()
        assert ((held == "both") | (held == "tumour"))[asked >= tumour_from].all()
        assert ((held == "both") | (held == "no tumour"))[1 - asked >= no_tumour_from].all()


def test_older_decisions_have_no_sets() -> None:
    decision = Decision.model_validate_json('{"tta": "none", "temperature": 1, "threshold": 0.5}')
    assert decision.sets is None
    assert decision.held(np.array([0.4])) is None
    assert decision.calls(np.array([0.4, 0.5])).tolist() == ["no tumour", "tumour"]


def test_each_slide_counts_once_in_the_coverage_and_each_patch_in_the_rest() -> None:
    labels = np.array([1, 1, 1, 1, 0, 1, 0, 0])
    slides = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    held = np.array(
        ["tumour", "tumour", "tumour", "no tumour", "both", "both", "no tumour", "tumour"]
    )
    calls = np.where(held == "both", "tumour", held)
    assert abstaining.summarise(labels, held, calls, slides) == pytest.approx(
        {
            "tumour_coverage": (3 / 4 + 1) / 2,
            "no_tumour_coverage": (1 + 1 / 2) / 2,
            "left_share": 2 / 8,
            "decided_accuracy": 4 / 6,
        }
    )


def test_what_is_not_defined_is_nan() -> None:
    one = np.zeros(2, int)
    both, calls = np.array(["both", "both"]), np.array(["tumour", "tumour"])
    found = abstaining.summarise(one, both, calls, one)
    assert np.isnan([found["tumour_coverage"], found["decided_accuracy"]]).all()
    assert (found["no_tumour_coverage"], found["left_share"]) == (1, 1)


def test_the_risk_falls_to_that_of_the_surest_and_ends_at_the_error_of_all() -> None:
    is_wrong = np.array([False, False, True, False, True])
    confidence = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    at = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    found = abstaining.risks(is_wrong, confidence, at)
    assert found == pytest.approx([0, 0, 1 / 3, 1 / 4, 2 / 5])
    turned = np.array([3, 0, 4, 1, 2])
    assert abstaining.risks(is_wrong[turned], confidence[turned], at) == pytest.approx(found)
    # Equally sure calls are decided evenly, in whatever order they are given.
    assert abstaining.risks(is_wrong, np.ones(5), at) == pytest.approx([0.4] * 5)


@pytest.mark.parametrize("threshold", [0.0, 0.04, 0.2, 0.5, 0.9])
def test_the_surest_call_is_the_likeliest_to_be_right(threshold: float) -> None:
    probabilities = np.array([1e-9, 0.002, 0.01, 0.1, 0.2, 0.45, 0.5, 0.97, 1 - 1e-7])
    is_called = probabilities >= threshold
    found = abstaining.confidences(probabilities, is_called)
    right = np.where(is_called, probabilities, 1 - probabilities)
    assert (np.diff(found[np.argsort(right, kind="stable")]) >= 0).all()
    assert found[6] == 0  # as likely as not
    assert found[4] == pytest.approx(np.log(4) * (1 if threshold > 0.2 else -1))
    assert np.isfinite(abstaining.confidences(np.array([0.0, 1.0]), np.array([False, True]))).all()
