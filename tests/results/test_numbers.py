"""Tests of `results.numbers`: digits that the sample supports, percentages, counts in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.results import numbers


@pytest.mark.parametrize(
    ("num", "text"),
    [
        (1, "0.96"),
        (20, "0.96"),
        (119, "0.96"),
        (800, "0.957"),
        (44_005, "0.957"),
        (10**6, "0.9573"),
    ],
)
def test_a_rate_has_the_digits_that_its_patches_support(num: int, text: str) -> None:
    assert numbers.rate(0.957283, num) == text


@given(num=st.integers(1, 10**9))
def test_the_last_decimal_is_at_most_half_a_standard_error_and_the_one_before_is_more(
    num: int,
) -> None:
    half = 0.25 / math.sqrt(num)
    last = 10.0 ** -numbers.decimals(num)
    assert last <= half or numbers.decimals(num) in {1, numbers.MAX_DECIMALS}
    assert 10 * last > half


@pytest.mark.parametrize(
    ("value", "num", "text"),
    [
        (0.405, None, "40.5 %"),
        (0.4953, 32, "50 %"),
        (0.89625, 800, "89.6 %"),
        (1.0, None, "100.0 %"),
    ],
)
def test_a_share_is_a_percentage(value: float, num: int | None, text: str) -> None:
    assert numbers.percent(value, num) == text


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_not_defined_says_so(value: float | None) -> None:
    assert numbers.rate(value, 10) == numbers.percent(value) == "not defined"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 patches"), (1, "1 patch"), (2000, "2,000 patches")]
)
def test_a_count_has_the_word_that_fits_it(number: int, text: str) -> None:
    assert numbers.count(number, "patch", "patches") == text
    assert numbers.count(1, "slide") == "1 slide"


@pytest.mark.parametrize(
    ("value", "num", "text"),
    [
        (0.996, 119, "0.996"),
        (0.99951, 800, "0.9995"),
        (0.0004, 800, "0.0004"),
        (1, 800, "1.000"),
        (3e-8, 800, "0.00000003"),
        (1e-12, 800, "0.000"),  # rather than eight zeros
        (1 - 1e-12, 119, "1.00"),
    ],
)
def test_what_is_not_quite_0_or_1_does_not_look_so(value: float, num: int, text: str) -> None:
    assert numbers.rate(value, num) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.99961, "99.96 %"), (0.0004, "0.04 %"), (0, "0.0 %"), (1, "100.0 %")]
)
def test_a_share_that_is_not_quite_all_or_none_does_not_look_so(value: float, text: str) -> None:
    assert numbers.percent(value) == text
