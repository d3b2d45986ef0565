"""Tests of `split.dealing`: a fair draw that no move or swap of groups could bring nearer."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis.split import dealing

SHARES = np.array([0.6, 0.2, 0.2])


def groups(seed: int, num: int) -> dealing.Counts:
    """Groups of 1 to 60 patches of each class."""
    return np.random.default_rng(seed).integers(1, 61, (num, 2))


def deal(counts: dealing.Counts, seed: int = 0) -> dealing.Counts:
    return dealing.deal(counts, SHARES, np.random.default_rng(seed))


def distance(counts: dealing.Counts, parts: dealing.Counts) -> float:
    """How far the parts are from their shares of each class, in shares."""
    found = np.array([counts[parts == part].sum(axis=0) for part in range(3)]) / counts.sum(axis=0)
    return float((((found - SHARES[:, np.newaxis]) / SHARES[:, np.newaxis]) ** 2).sum())


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), num=st.integers(3, 14))
def test_no_move_and_no_swap_would_bring_the_parts_nearer(seed: int, num: int) -> None:
    counts = groups(seed, num)
    parts = deal(counts, seed)
    reached = distance(counts, parts)
    for group, part in itertools.product(range(num), range(3)):
        moved = parts.copy()
        moved[group] = part
        assert distance(counts, moved) >= reached - 1e-9
    for one, other in itertools.combinations(range(num), 2):
        swapped = parts.copy()
        swapped[[one, other]] = parts[[other, one]]
        assert distance(counts, swapped) >= reached - 1e-9


def test_three_alike_groups_go_to_three_parts() -> None:
    assert sorted(deal(np.full((3, 2), 10))) == [0, 1, 2]


def test_chance_decides_where_a_group_goes() -> None:
    counts = groups(0, 40)
    dealt = np.array([deal(counts, seed) for seed in range(60)])
    assert (dealt == deal(counts, 0)).all(axis=1).sum() == 1
    largest = int(counts.sum(axis=1).argmax())
    assert set(dealt[:, largest]) == {0, 1, 2}
