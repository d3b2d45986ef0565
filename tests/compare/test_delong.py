"""Tests of `compare.delong` against published implementations and against counting pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from metastasis.compare import delong

LABELS = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
SCORES = np.array(
    [
        [0.9, 0.8, 0.35, 0.6, 0.5, 0.1, 0.3, 0.5, 0.4, 0.7, 0.2],
        [0.7, 0.9, 0.4, 0.3, 0.6, 0.2, 0.5, 0.4, 0.6, 0.8, 0.1],
    ]
)


def test_two_models_with_ties_have_the_variances_that_published_packages_give() -> None:
    areas, covariance = delong.areas(LABELS, SCORES)
    # MLstatkit 0.1.91, Delong_test: both areas, the variance of their difference, and (from half
    # the width of its 95 % intervals) that of each; confidenceinterval 1.0.5 agrees in float32.
    assert areas == pytest.approx([0.8166666666666667, 0.6666666666666667])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert variance == pytest.approx(0.013777777777777778)
    halves = 1.959963984540054 * np.sqrt(np.diag(covariance))
    assert areas - halves == pytest.approx([0.552091693760679, 0.31742990234046])


@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30
    ).filter(lambda rows: len({label for label, *_ in rows}) == 2)
)
def test_an_area_is_that_of_sklearn_ties_or_not(rows: list[tuple[bool, int, int]]) -> None:
    labels, *scores = np.array(rows, np.int64).T
    areas, _ = delong.areas(labels, np.array(scores, np.float64))
    expected = [metrics.roc_auc_score(labels, each) for each in scores]
    assert areas == pytest.approx(expected)


@given(seed=st.integers(0, 100))
def test_a_transform_that_keeps_the_order_changes_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, scores = np.arange(20) % 2, random.normal(size=(2, 20))
    areas, covariance = delong.areas(labels, scores)
    again, covariance_again = delong.areas(labels, np.exp(3 * scores))
    assert again.tolist() == areas.tolist()
    assert covariance_again.tolist() == covariance.tolist()


def test_one_patch_of_a_class_gives_an_area_without_a_variance() -> None:
    areas, covariance = delong.areas(np.array([1, 0, 0]), np.array([[0.5, 0.1, 0.9]]))
    assert areas == 0.5
    assert np.isnan(covariance).all()


def test_one_class_alone_gives_no_area() -> None:
    areas, covariance = delong.areas(np.array([0, 0]), np.array([[0.1, 0.9], [0.2, 0.3]]))
    assert np.isnan(areas).all()
    assert np.isnan(covariance).all()
    assert covariance.shape == (2, 2)
