"""Deals groups to parts at random, so that sizes and class balance come near to what is asked.

What the groups are and what the parts are for, `splitting` knows.
"""

import numpy as np
from numpy.typing import NDArray

NUM_STRATA = 4
MAX_REFINED_GROUPS = 500  # the largest ones: the table of all their swaps stays small

Counts = NDArray[np.int64]


def deal(counts: Counts, shares: NDArray[np.float64], random: np.random.Generator) -> Counts:
    """Return the part of each group, (n,) numbers below the length of `shares`.

    `counts` (n, 2) are the negatives and positives of each group, `shares` sum to 1. Groups are
    first dealt at random within strata of their share of positives, which makes it a fair draw;
    single moves and swaps then bring sizes and balance to what was asked. scikit-learn's
    StratifiedGroupKFold gives folds, not shares, and always sends the largest groups to the same
    side.
    """
    return _refine(counts, shares, _draw(counts, shares, random))


def _draw(counts: Counts, shares: NDArray[np.float64], random: np.random.Generator) -> Counts:
    """Deal the groups of each stratum in random order: to the first part its share, and so on."""
    positive_share = counts[:, 1] / counts.sum(axis=1)
    stratum = np.ceil(positive_share * (NUM_STRATA - 1))
    parts = np.empty(len(counts), np.int64)
    for value in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum == value))
        ends = np.cumsum(counts[members].sum(axis=1))
        # The middle of each group on a line of all patches says which part it falls into.
        middles = (ends - counts[members].sum(axis=1) / 2) / ends[-1]
        parts[members] = np.searchsorted(np.cumsum(shares)[:-1], middles, side="right")
    return parts


def _refine(counts: Counts, shares: NDArray[np.float64], parts: Counts) -> Counts:
    """Make the best move or swap of groups until none brings the parts nearer to `shares`.

    How far a part is off counts relative to its share: else a small one could stay empty.
    """
    scaled = counts / counts.sum(axis=0)  # each class counts the same
    moved = np.argsort(-counts.sum(axis=1), kind="stable")[:MAX_REFINED_GROUPS]
    while True:
        off = np.stack([scaled[parts == part].sum(axis=0) for part in range(len(shares))])
        off -= shares[:, np.newaxis]
        gain, first, second, target = _best_exchange(scaled[moved], parts[moved], off, shares)
        if gain < 1e-12:  # noqa: PLR2004  # rounding
            return parts
        if second >= 0:
            parts[moved[second]] = parts[moved[first]]
        parts[moved[first]] = target


def _best_exchange(
    scaled: NDArray[np.float64],
    parts: Counts,
    off: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> tuple[float, int, int, int]:
    """Return the best exchange: gain, group, the group it swaps with (-1: a move), target."""
    best = (0.0, -1, -1, -1)
    for target in range(len(off)):
        others = np.flatnonzero(parts != target)
        partners = np.append(np.flatnonzero(parts == target), -1)
        given = np.where(partners[:, np.newaxis] >= 0, scaled[partners], 0.0)
        flow = scaled[others][:, np.newaxis] - given[np.newaxis]  # into target, out of the source
        weight = shares[parts[others]][:, np.newaxis] ** -2
        before = weight * (off[parts[others]] ** 2).sum(axis=1)[:, np.newaxis]
        before = before + (off[target] ** 2).sum() / shares[target] ** 2
        after = weight * ((off[parts[others]][:, np.newaxis] - flow) ** 2).sum(axis=2)
        after += ((off[target] + flow) ** 2).sum(axis=2) / shares[target] ** 2
        gains = before - after
        index = np.unravel_index(int(gains.argmax()), gains.shape) if gains.size else None
        if index is not None and gains[index] > best[0]:
            best = (float(gains[index]), int(others[index[0]]), int(partners[index[1]]), target)
    return best
