"""Deals groups to parts at random, so that sizes and class balance are close to the request.

`splitting` defines the groups and the parts.
"""

import numpy as np
from numpy.typing import NDArray

NUM_STRATA = 4
MAX_REFINED_GROUPS = 500  # only the largest groups, so that the table of all swaps stays small

Counts = NDArray[np.int64]


def deal(counts: Counts, shares: NDArray[np.float64], random: np.random.Generator) -> Counts:
    """Return the part of each group, (n,) numbers below the length of `shares`.

    `counts` (n, 2) are the negatives and positives of each group; `shares` sum to 1. Groups are
    first dealt at random within strata of their positive share, for a fair draw. Then single moves
    and swaps bring sizes and balance close to the request. scikit-learn's StratifiedGroupKFold
    gives folds, not shares, and always sends the largest groups to the same side.
    """
    return _refine(counts, shares, _draw(counts, shares, random))


def _draw(counts: Counts, shares: NDArray[np.float64], random: np.random.Generator) -> Counts:
    """Deal the groups of each stratum in random order: the first part gets its share, and so on."""
    positive_share = counts[:, 1] / counts.sum(axis=1)
    stratum = np.ceil(positive_share * (NUM_STRATA - 1))
    parts = np.empty(len(counts), np.int64)
    for value in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum == value))
        ends = np.cumsum(counts[members].sum(axis=1))
        # With all patches in a line, the position of a group's middle decides its part.
        middles = (ends - counts[members].sum(axis=1) / 2) / ends[-1]
        parts[members] = np.searchsorted(np.cumsum(shares)[:-1], middles, side="right")
    return parts


def _refine(counts: Counts, shares: NDArray[np.float64], parts: Counts) -> Counts:
    """Make the best move or swap of groups until none brings the parts nearer to `shares`.

    A part's deviation is taken relative to its share: otherwise a small part could stay empty.
    """
    scaled = counts / counts.sum(axis=0)  # both classes have equal weight
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
    """Return the best exchange: gain, group, the group to swap with (-1: a move), target."""
    best = (0.0, -1, -1, -1)
    for target in range(len(off)):
        others = np.flatnonzero(parts != target)
        partners = np.append(np.flatnonzero(parts == target), -1)
        given = np.where(partners[:, np.newaxis] >= 0, scaled[partners], 0.0)
        # Into the target, out of the source.
        flow = scaled[others][:, np.newaxis] - given[np.newaxis]
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
