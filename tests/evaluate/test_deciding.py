"""Tests of `evaluate.deciding`: the temperature and the threshold, and how they are kept."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit

from metastasis.base import records
from metastasis.base.errors import InputError
from metastasis.evaluate import deciding
from metastasis.results.decision import Decision


def test_youden_picks_the_threshold_that_separates() -> None:
    labels = np.array([0, 0, 1, 1])
    assert deciding.choose_threshold(labels, np.array([0.1, 0.2, 0.7, 0.8]), None) == 0.7


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
    threshold = deciding.choose_threshold(labels, probabilities, asked)
    positives = probabilities[labels == 1]
    assert (positives >= threshold).mean() >= asked
    higher = probabilities[probabilities > threshold * (1 + 1e-5)]
    assert not len(higher) or (positives >= higher.min()).mean() < asked


@pytest.mark.parametrize("sensitivity", [None, 1.0])
def test_a_tiny_threshold_stays_above_what_it_parts_from(sensitivity: float | None) -> None:
    probabilities = np.array([1e-9, 1e-8, 5.123456789e-7, 0.9])
    threshold = deciding.choose_threshold(np.array([0, 0, 1, 1]), probabilities, sensitivity)
    assert threshold == 5.12345e-7
    assert (probabilities >= threshold).tolist() == [False, False, True, True]


def test_the_temperature_gives_a_bins_share_where_all_patches_have_two_logits() -> None:
    # Of patches at logit 2 and -2, 80 % are as the sign says: the likeliest is logit(0.8) = 2 / T.
    labels = np.array([1, 1, 1, 1, 0] * 20 + [0, 0, 0, 0, 1] * 20)
    logits = np.repeat([2.0, -2.0], 100)
    found = deciding.fit_temperature(labels, logits)
    assert found == pytest.approx(2 / logit(0.8), rel=1e-4)


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_a_temperature_that_was_there_is_found(true: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, 200_000)
    labels = (random.random(200_000) < expit(logits / true)).astype(int)
    assert deciding.fit_temperature(labels, logits) == pytest.approx(true, rel=0.02)


def test_patches_told_apart_entirely_leave_the_temperature_above_0() -> None:
    found = deciding.fit_temperature(np.array([0, 1]), np.array([-1.0, 1.0]))
    assert found == deciding.TEMPERATURES[0]


BOUND_LOGITS = np.array([3.0, -3, 4, -4] * 5)


@pytest.mark.parametrize(
    ("labels", "bound", "temperature", "meaning"),
    [
        (BOUND_LOGITS > 0, "lower", 0.3, "separates the classes"),
        (BOUND_LOGITS < 0, "upper", 20.0, "no better than chance"),
    ],
)
def test_a_temperature_at_its_bound_is_said_to_be_no_finding(
    tmp_path: Path, labels: NDArray[np.bool_], bound: str, temperature: float, meaning: str
) -> None:
    decision = deciding.decide(labels.astype(int), BOUND_LOGITS, sensitivity=None, tta="none")
    assert (decision.temperature_bound, decision.temperature) == (bound, temperature)
    assert meaning in str(decision.warning())
    records.write(tmp_path / "decision.json", decision)
    assert records.read(tmp_path / "decision.json", Decision) == decision


def test_a_temperature_between_its_bounds_is_not_warned_of() -> None:
    labels = np.array([1, 1, 1, 1, 0] * 20 + [0, 0, 0, 0, 1] * 20)
    logits = np.repeat([2.0, -2.0], 100)
    decision = deciding.decide(labels, logits, sensitivity=None, tta="none")
    assert decision.temperature_bound is None
    assert decision.warning() is None


def test_a_decision_is_read_as_it_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels, logits = np.arange(50) % 2, random.normal(0, 1, 50).astype(np.float32)
    decision = deciding.decide(labels, logits, sensitivity=None, tta="d4")
    records.write(tmp_path / "decision.json", decision)
    assert records.read(tmp_path / "decision.json", Decision) == decision
    assert decision.probabilities(logits) == pytest.approx(expit(logits / decision.temperature))


def test_the_threshold_is_one_of_calibrated_probabilities() -> None:
    labels, logits = np.array([0, 0, 1, 1] * 5 + [1, 0]), np.array([-9.0, -8, 3, 4] * 5 + [-8, 3])
    decision = deciding.decide(labels, logits, sensitivity=None, tta="none")
    assert decision.temperature > 1.5
    assert decision.threshold == pytest.approx(expit(3 / decision.temperature), rel=1e-5)


def test_validation_of_one_class_is_refused() -> None:
    with pytest.raises(InputError, match="the 3 validation patches are all of one class"):
        deciding.decide(np.ones(3, int), np.arange(3.0), sensitivity=None, tta="none")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", "Field required"),
        ('{"tta": "none", "temperature": 0, "threshold": 0.5}', "temperature"),
        ('{"tta": "often", "temperature": 1, "threshold": 0.5}', "tta"),
        ("[", "Invalid JSON"),
    ],
)
def test_another_file_is_no_decision(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "decision.json"
    path.write_text(text)
    with pytest.raises(InputError, match=found):
        records.read(path, Decision)


def test_a_temperature_changes_no_order() -> None:
    logits = np.linspace(-9, 9, 1801)
    for temperature in deciding.TEMPERATURES:
        decision = Decision(tta="none", temperature=temperature, threshold=0.5)
        assert (np.diff(decision.probabilities(logits)) > 0).all()
