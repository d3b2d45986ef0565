"""Tests that intervals hold the truth as often as they claim, by simulation with a known truth."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from helpers import simulating

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
def test_a_bootstrap_over_patches_claims_far_more_than_it_holds(truth: dict[str, float]) -> None:
    num_held = 0
    for repeat in range(NUM_REPEATS):
        random = np.random.default_rng([4, repeat])
        labels, probabilities, _ = simulating.scored(random, NUM_SLIDES)
        drawn = (random.integers(0, len(labels), len(labels)) for _ in range(100))
        areas = [metrics.roc_auc_score(labels[rows], probabilities[rows]) for rows in drawn]
        low, high = np.quantile(areas, [0.025, 0.975])
        num_held += low <= truth["roc_auc"] <= high
    assert num_held <= 0.6 * NUM_REPEATS
