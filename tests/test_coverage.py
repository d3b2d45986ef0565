"""Tests that intervals hold the truth as often as they claim, by simulation with a known truth."""

import numpy as np
import pytest
import simulating
from scipy import stats

NUM_REPEATS = 100
NUM_SLIDES = 40


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    return simulating.truth()


@pytest.mark.slow
def test_intervals_over_slides_hold_the_truth_as_often_as_claimed(truth: dict[str, float]) -> None:
    """One of 95 % would fall below this once in 1,000 such tests, one of 80 % in 95 of 100."""
    num_held = dict.fromkeys(truth, 0)
    for repeat in range(NUM_REPEATS):
        test_set = simulating.scored(np.random.default_rng([3, repeat]), NUM_SLIDES)
        for name, (low, high) in simulating.intervals_of(*test_set).items():
            num_held[name] += low <= truth[name] <= high
    least = stats.binom.ppf(0.001, NUM_REPEATS, 0.95)
    assert {name: held for name, held in num_held.items() if held < least} == {}


@pytest.mark.slow
def test_the_scales_simulated_are_those_of_evaluate() -> None:
    from metastasis import evaluating  # noqa: PLC0415  # imports TensorFlow

    assert simulating.SCALES == evaluating.SCALES
