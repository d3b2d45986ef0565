"""Knows how areas under ROC curves vary together when patches are independent (DeLong).

Patches of a slide aren't: where slides are known, `intervals` holds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


def areas(labels: NDArray[np.integer], scores: Floats) -> tuple[Floats, Floats]:
    """Return the areas (k,) of k models' scores (k, n), and their covariance (k, k).

    DeLong et al. 1988, by ranks as Sun and Xu 2014 compute it; ties count half. The covariance is
    NaN where a class has fewer than two patches, and so are the areas where it has none.
    """
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    num_positive, num_negative = positive.shape[1], negative.shape[1]
    if not num_positive or not num_negative:
        return np.full(len(scores), np.nan), np.full((len(scores), len(scores)), np.nan)
    ranks = stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    # How often a patch is ranked right beside those of the other class.
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
