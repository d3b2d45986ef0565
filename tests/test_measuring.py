"""Tests of `metastasis.measuring` against cases counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis import measuring

LABELS = np.array([0, 0, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.4, 0.6, 0.5, 0.9])


def test_the_metrics_of_five_patches_are_those_counted_by_hand() -> None:
    summary = measuring.summarize(LABELS, PROBABILITIES, threshold=0.5)
    # At 0.5: two positives found, one negative called positive, two negatives kept.
    assert summary == {
        "num_patches": 5,
        "roc_auc": pytest.approx(5 / 6),  # of 6 pairs, (0.6, 0.5) is in the wrong order
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
        "accuracy": pytest.approx(4 / 5),
        "balanced_accuracy": pytest.approx((1 + 2 / 3) / 2),
        "sensitivity": 1.0,
        "specificity": pytest.approx(2 / 3),
        "precision": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 5),
        "nll": pytest.approx(-sum(map(math.log, (0.9, 0.6, 0.4, 0.5, 0.9))) / 5),
        "brier": pytest.approx((0.01 + 0.16 + 0.36 + 0.25 + 0.01) / 5),
    }


def test_a_probability_at_the_threshold_is_positive() -> None:
    assert measuring.summarize(LABELS, PROBABILITIES, threshold=0.9)["sensitivity"] == 0.5


def test_nothing_called_positive_has_precision_zero() -> None:
    assert measuring.summarize(LABELS, PROBABILITIES, threshold=1.0)["precision"] == 0.0


def test_certain_and_wrong_stays_a_finite_number() -> None:
    summary = measuring.summarize(np.array([0, 1]), np.array([1.0, 0.0]), threshold=0.5)
    assert math.isfinite(summary["nll"])


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="2 labels of one class"):
        measuring.summarize(np.array([1, 1]), np.array([0.2, 0.3]), threshold=0.5)


def test_youden_picks_the_threshold_that_separates() -> None:
    labels = np.array([0, 0, 1, 1])
    assert measuring.choose_threshold(labels, np.array([0.1, 0.2, 0.7, 0.8]), None) == 0.7


@given(
    data=st.lists(st.tuples(st.booleans(), st.integers(0, 50)), min_size=2).filter(
        lambda rows: len({label for label, _ in rows}) == 2
    ),
    asked=st.floats(0.01, 1),
)
def test_the_asked_sensitivity_is_reached_by_the_highest_such_threshold(
    data: list[tuple[bool, int]], asked: float
) -> None:
    labels = np.array([label for label, _ in data]).astype(int)
    probabilities = np.array([value for _, value in data]) / 50
    threshold = measuring.choose_threshold(labels, probabilities, asked)
    positives = probabilities[labels == 1]
    assert (positives >= threshold).mean() >= asked
    higher = probabilities[probabilities > threshold * (1 + 1e-5)]
    assert not len(higher) or (positives >= higher.min()).mean() < asked


@pytest.mark.parametrize("sensitivity", [None, 1.0])
def test_a_tiny_threshold_stays_above_what_it_parts_from(sensitivity: float | None) -> None:
    probabilities = np.array([1e-9, 1e-8, 5.123456789e-7, 0.9])
    threshold = measuring.choose_threshold(np.array([0, 0, 1, 1]), probabilities, sensitivity)
    assert threshold == 5.12345e-7
    assert (probabilities >= threshold).tolist() == [False, False, True, True]


def test_calibration_bins_hold_equal_numbers() -> None:
    labels = np.array([0, 0, 1, 1, 0, 1])
    probabilities = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 0.9])
    mean, share = measuring.calibration(labels, probabilities, num_bins=3)
    assert mean == pytest.approx([0.15, 0.4, 0.85])
    assert share == pytest.approx([0.0, 1.0, 0.5])
