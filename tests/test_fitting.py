"""Tests of `metastasis.fitting`: when training is over. Whole runs are in test_training."""

import pytest

from metastasis import fitting

pytestmark = pytest.mark.medium

PLAN = fitting.Plan(epochs=6, patience=2, average_decay=0.0, plateau_rate=None, class_weights=None)


@pytest.mark.parametrize(
    ("scores", "is_over"),
    [
        ([], False),
        ([0.5], False),
        ([0.9, 0.8], False),
        ([0.9, 0.8, 0.9], True),  # as good as the best is no better
        ([0.9, 0.8, 0.91], False),
        ([0.1, 0.2, 0.3, 0.4, 0.5], False),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], True),
    ],
)
def test_training_is_over_with_its_epochs_or_its_patience(
    scores: list[float], *, is_over: bool
) -> None:
    assert PLAN.is_over([{"eval/auc": score} for score in scores]) is is_over


def test_of_equal_epochs_the_first_is_best() -> None:
    assert fitting.best_epoch([{"eval/auc": score} for score in (0.5, 0.8, 0.7, 0.8)]) == 1
