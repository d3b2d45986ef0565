"""Pairs up equal keys without comparing all pairs."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def equal_pairs(keys: NDArray[Any]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the places of pairs of equal keys in sorted `keys` (n,), those side by side first.

    Each key is paired with the one after it, then with the one after that, and so on.
    """
    left = np.arange(len(keys))
    for step in itertools.count(1):
        left = left[left + step < len(keys)]
        left = left[keys[left] == keys[left + step]]
        if not len(left):
            return
        yield left, left + step
