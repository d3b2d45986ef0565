"""Formats numbers for readers: with the digits that the sample supports, and the unit."""

import math

MAX_DECIMALS = 4
MOST_DECIMALS = 8  # of a rate that would round to 0 or 1
UNDEFINED = "not defined"


def decimals(num: int) -> int:
    """Return how many decimals of a rate over `num` patches are significant.

    The standard error of a rate is 0.5 / sqrt(num) at most, if patches were independent. The last
    decimal is the first whose unit is at most half of it: 119 patches have two decimals, 800 and
    44,005 three.
    """
    return min(max(math.ceil(math.log10(4 * math.sqrt(num))), 1), MAX_DECIMALS) if num else 1


def rate(value: float | None, num: int) -> str:
    """Format an AUC or another number between 0 and 1, over `num` patches: 0.957."""
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{value:.{_telling(value, decimals(num))}f}"


def interval(low: float | None, high: float | None, num: int) -> str:
    """Format the interval of such a number: 0.919 to 0.978; an empty text without an interval."""
    return "" if low is None or high is None else f"{rate(low, num)} to {rate(high, num)}"


def percent(value: float | None, num: int | None = None) -> str:
    """Format a share as a percentage: 40.5 %, or with the digits that `num` patches support."""
    if value is None or math.isnan(value):
        return UNDEFINED
    digits = 1 if num is None else max(decimals(num) - 2, 0)
    return f"{100 * value:.{_telling(value, digits + 2) - 2}f} %"


def _telling(value: float, digits: int) -> int:
    """Return enough decimals that only 0 and 1 are shown as 0 and 1.

    If `MOST_DECIMALS` don't tell them apart, return `digits`: more zeros would say nothing.
    """
    if not 0 < value < 1:
        return digits
    enough = range(digits, MOST_DECIMALS + 1)
    return next((each for each in enough if round(value, each) not in {0, 1}), digits)


def count(number: int, name: str, several: str = "") -> str:
    """Format a count with its noun: 1 slide, 2,000 slides."""
    return f"{number:,} {name if number == 1 else several or name + 's'}"
