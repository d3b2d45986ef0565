"""Tests of `evaluate.measuring` against cases counted by hand, and against scikit-learn."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from metastasis.evaluate import measuring

LABELS = np.array([0, 0, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.4, 0.6, 0.5, 0.9])


def test_the_metrics_of_five_patches_are_those_counted_by_hand() -> None:
    summary = measuring.summarise(LABELS, PROBABILITIES, threshold=0.5)
    # At 0.5: two positives found, one negative called positive, two negatives kept.
    assert summary == {
        "roc_auc": pytest.approx(5 / 6),  # of 6 pairs, (0.6, 0.5) is in the wrong order
        "region_roc_auc": pytest.approx(5 / 6),
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
        "accuracy": pytest.approx(4 / 5),
        "balanced_accuracy": pytest.approx((1 + 2 / 3) / 2),
        "sensitivity": 1.0,
        "specificity": pytest.approx(2 / 3),
        "precision": pytest.approx(2 / 3),
        "f1": pytest.approx(4 / 5),
        "nll": pytest.approx(-sum(map(math.log, (0.9, 0.6, 0.4, 0.5, 0.9))) / 5),
        "brier": pytest.approx((0.01 + 0.16 + 0.36 + 0.25 + 0.01) / 5),
        "calibration_error": pytest.approx((0.1 + 0.4 + 0.6 + 0.5 + 0.1) / 5),  # bins of one
        "sensitivity_at_95_specificity": pytest.approx(1 / 2),  # above all negatives
        "specificity_at_95_sensitivity": pytest.approx(2 / 3),  # at 0.5
    }


def test_a_probability_at_the_threshold_is_positive() -> None:
    assert measuring.summarise(LABELS, PROBABILITIES, threshold=0.9)["sensitivity"] == 0.5


def test_the_precision_of_no_call_is_not_defined() -> None:
    summary = measuring.summarise(LABELS, PROBABILITIES, threshold=1.0)
    assert math.isnan(summary["precision"])
    assert (summary["sensitivity"], summary["specificity"], summary["f1"]) == (0, 1, 0)


def test_certain_and_wrong_stays_a_finite_number() -> None:
    summary = measuring.summarise(np.array([0, 1]), np.array([1.0, 0.0]), threshold=0.5)
    assert math.isfinite(summary["nll"])


@pytest.mark.parametrize("label", [0, 1])
def test_what_takes_two_classes_is_not_defined_for_one(label: int) -> None:
    summary = measuring.summarise(np.full(3, label), np.array([0.2, 0.6, 0.7]), threshold=0.5)
    defined = {name for name, number in summary.items() if not math.isnan(number)}
    rates = {"sensitivity", "f1"} if label else {"specificity", "f1"}
    always = {"accuracy", "precision", "nll", "brier", "calibration_error"}
    assert defined == always | rates
    assert summary["accuracy"] == pytest.approx(2 / 3 if label else 1 / 3)


def test_equal_probabilities_say_nothing() -> None:
    summary = measuring.summarise(LABELS, np.full(5, 0.4), threshold=0.4)
    assert summary["roc_auc"] == 0.5
    assert summary["average_precision"] == pytest.approx(2 / 5)
    assert (summary["sensitivity"], summary["specificity"]) == (1, 0)
    assert summary["sensitivity_at_95_specificity"] == 0
    assert summary["specificity_at_95_sensitivity"] == 0


def test_calibration_bins_hold_equal_numbers() -> None:
    labels, probabilities = np.arange(20) % 2, np.linspace(0, 0.95, 20)
    mean, share, num_patches = measuring.calibration(labels, probabilities)
    assert num_patches.tolist() == [2] * 10
    assert mean == pytest.approx(np.linspace(0.025, 0.925, 10))
    assert share == pytest.approx([0.5] * 10)


@given(
    values=st.lists(st.sampled_from([0.1, 0.5, 0.7]), min_size=1, max_size=60),
    seed=st.integers(0, 99),
)
def test_the_order_of_equal_probabilities_changes_no_calibration(
    values: list[float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    probabilities = np.array(values)
    labels = random.integers(0, 2, len(values))
    order = random.permutation(len(values))
    error, other = (
        measuring.calibration_error(labels[rows], probabilities[rows])
        for rows in (np.arange(len(values)), order)
    )
    assert error == pytest.approx(other, abs=1e-12)


def test_the_calibration_error_of_equal_probabilities_is_their_gap() -> None:
    labels = np.repeat([0, 1], [60, 40])
    assert measuring.calibration_error(labels, np.full(100, 0.5)) == pytest.approx(0.1)


def test_scores_rank_where_probabilities_round_to_the_same() -> None:
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.0, 0.5, 1.0, 1.0])
    scores = np.array([-50.0, 0, 60, 70])
    summary = measuring.summarise(labels, probabilities, 0.5, scores)
    assert summary["roc_auc"] == 3 / 4  # of the pairs, (0, 60) alone is in the wrong order
    assert summary["sensitivity"] == 1
    assert summary["specificity"] == 1 / 2


def test_each_region_counts_once_whatever_its_number_of_patches() -> None:
    """One spot seen three times with the same scores weighs as much as if it were seen once."""
    labels, scores = np.array([1, 0, 1, 0]), np.array([0.2, 0.3, 0.8, 0.1])
    again = np.array([0, 0, 0, 1, 2, 3])  # the first patch three times
    regions = pd.Series(list("aaabcd"))
    weights = measuring.once_each(regions)
    assert weights == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1, 1])
    once, seen = (
        measuring.summarise(labels[rows], scores[rows], 0.5, weights=weight)
        for rows, weight in ((np.arange(4), None), (again, weights))
    )
    assert seen["region_roc_auc"] == pytest.approx(once["roc_auc"])
    assert seen["roc_auc"] < once["roc_auc"]


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    # Bins of one patch each: gaps .2, .4 and .1.
    labels, probabilities = np.array([0, 1, 1]), np.array([0.2, 0.6, 0.9])
    assert measuring.calibration_error(labels, probabilities) == pytest.approx(0.7 / 3)


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=60).filter(
        lambda rows: len({label for label, _ in rows}) == 2
    ),
    threshold=st.floats(0, 1),
)
def test_the_numbers_are_scikit_learns(rows: list[tuple[bool, int]], threshold: float) -> None:
    labels = np.array([label for label, _ in rows]).astype(int)
    probabilities = np.array([value for _, value in rows]) / 20
    called = probabilities >= threshold
    summary = measuring.summarise(labels, probabilities, threshold)
    expected = {
        "roc_auc": metrics.roc_auc_score(labels, probabilities),
        "region_roc_auc": metrics.roc_auc_score(labels, probabilities),
        "average_precision": metrics.average_precision_score(labels, probabilities),
        "accuracy": metrics.accuracy_score(labels, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, called),
        "sensitivity": metrics.recall_score(labels, called),
        "specificity": metrics.recall_score(labels, called, pos_label=0),
        "precision": metrics.precision_score(labels, called, zero_division=np.nan),
        "f1": metrics.f1_score(labels, called),
        "nll": metrics.log_loss(labels, probabilities),
        "brier": metrics.brier_score_loss(labels, probabilities),
    }
    fpr, tpr, _ = metrics.roc_curve(labels, probabilities, drop_intermediate=False)
    expected["sensitivity_at_95_specificity"] = tpr[1 - fpr >= 0.95].max()
    expected["specificity_at_95_sensitivity"] = (1 - fpr)[tpr >= 0.95].max()
    del summary["calibration_error"]
    assert summary == pytest.approx(expected, abs=1e-12, rel=0, nan_ok=True)


def test_curves_are_read_between_their_points() -> None:
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.4, 0.9])
    # Called positive in turn: tumour; tumour and none; none. ROC: (0, .5), (.5, 1), (1, 1).
    sensitivity, precision = measuring.curves(labels, probabilities, np.array([0.25, 0.5, 0.75]))
    assert sensitivity == pytest.approx([0.75, 1, 1])
    assert precision == pytest.approx([1, 1, 2 / 3])
