"""Computes AUCs and their covariance for independent patches (DeLong's method).

Patches of one slide aren't independent: where slides are known, use `intervals`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


def areas(labels: NDArray[np.integer], scores: Floats) -> tuple[Floats, Floats]:
    """Return the AUCs (k,) of k models' scores (k, n), and their covariance (k, k).

    The method is DeLong et al. 1988, computed from ranks as in Sun and Xu 2014; ties count half.
    The covariance is NaN if a class has fewer than two patches, and the AUCs if it has none.
    """
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    num_positive, num_negative = positive.shape[1], negative.shape[1]
    if not num_positive or not num_negative:
        return np.full(len(scores), np.nan), np.full((len(scores), len(scores)), np.nan)
    ranks = stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    # The share of the other class's patches that rank below each patch.
    right = (ranks[:, :num_positive] - stats.rankdata(positive, axis=1)) / num_negative
    wrong = (ranks[:, num_positive:] - stats.rankdata(negative, axis=1)) / num_positive
    return right.mean(axis=1), _covariance(right) + _covariance(wrong)


def _covariance(values: Floats) -> Floats:
    """Return the covariance (k, k) of the means of `values` (k, n)."""
    num_models, num = values.shape
    if num < 2:  # noqa: PLR2004  # what varies
        return np.full((num_models, num_models), np.nan)
    covariance: Floats = np.atleast_2d(np.cov(values)) / num
    return covariance
