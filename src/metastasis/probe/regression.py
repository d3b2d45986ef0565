"""Fits linear probes: logistic regression on standardised features. Pure functions over arrays.

Features are float32, and are copied as seldom as possible: 131,000 patches with 1,024 features
each take half a gigabyte.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from metastasis.base import chance
from metastasis.base.errors import InputError

# scikit-learn's C, the inverse of the penalty; ascending, so that each fit starts from the one
# before, and the strongest penalty is chosen of equals.
GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
NUM_FOLDS = 5
NUM_DRAWS = 20  # few-shot training sets
FEW_C = 1e-2  # of few-shot probes: too few patches to choose it
SEED = 0
MAX_STEPS = 2000

Float32 = NDArray[np.float32]
Ints = NDArray[np.integer]
Classifier = Any  # scikit-learn ships no types


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each feature, (d,)."""

    mean: Float32
    deviation: Float32

    def apply(self, features: Float32) -> Float32:
        """Return (n, d) features on this scale; those without variation are only centred."""
        scaled = features - self.mean
        scaled /= self.deviation
        return scaled


def scale(features: Float32) -> Scale:
    """Return the scale on which `features` (n, d) have mean 0 and standard deviation 1."""
    mean = features.mean(axis=0, dtype=np.float64)
    squares = np.einsum("nd,nd->d", features, features, dtype=np.float64) / len(features)
    deviation = np.sqrt(np.maximum(squares - mean**2, 0))
    deviation[deviation <= np.finfo(np.float32).eps * np.abs(mean)] = 1  # constant
    return Scale(mean.astype(np.float32), deviation.astype(np.float32))


def choose(features: Float32, labels: Ints, groups: NDArray[Any]) -> dict[float, float]:
    """Return the AUC of each C of `GRID` by cross-validation on standardised features (n, d).

    `groups` (n,) are kept whole: patches of a slide resemble each other, so that a probe which
    recognises slides would look better than it is on unseen ones. The AUC is the mean over folds,
    since the scores of different probes have no common zero.

    Raises:
        InputError: the groups are too few for folds with both classes.
    """
    num_groups = min(len(np.unique(groups[labels == label])) for label in (0, 1))
    areas = []
    if num_groups >= 2:  # noqa: PLR2004  # one for each side
        folds = StratifiedGroupKFold(min(NUM_FOLDS, num_groups), shuffle=True, random_state=SEED)
        areas = [
            _areas(features, labels, *fold)
            for fold in folds.split(features, labels, groups)
            if all(len(np.unique(labels[side])) == 2 for side in fold)  # noqa: PLR2004  # classes
        ]
    if not areas:
        raise InputError(
            f"probe: a class has training patches in only {num_groups} of the groups of "
            "data/split.csv; expected several, to choose the penalty by cross-validation. Train on "
            "more slides (split.validation, split.test)."
        )
    return dict(zip(GRID, np.mean(areas, axis=0).tolist(), strict=True))


def _areas(features: Float32, labels: Ints, fitted: Ints, held_out: Ints) -> list[float]:
    """Return the AUC on rows `held_out` of the probe of each C, fitted on rows `fitted`."""
    rest, rest_labels = features[fitted], labels[fitted]
    probe = _classifier(GRID[0])
    areas = []
    for strength in GRID:
        probe.set_params(C=strength).fit(rest, rest_labels)
        scores = probe.decision_function(features[held_out])
        areas.append(float(roc_auc_score(labels[held_out], scores)))
    return areas


def fit(features: Float32, labels: Ints, strength: float) -> Classifier:
    """Return the probe fitted on standardised features (n, d); `strength` is scikit-learn's C."""
    return _classifier(strength).fit(features, labels)


def check_few_shot(labels: Ints, k: int) -> None:
    """Raise InputError unless `labels` (n,) hold each class `k` times."""
    fewest = min((labels == label).sum() for label in (0, 1))
    if fewest < k:
        raise InputError(
            f"probe.k is {k:,}, but a class has only {fewest:,} training patches; expected at most "
            "this number, or null."
        )


def few_shot(features: Float32, labels: Ints, k: int) -> list[Classifier]:
    """Return `NUM_DRAWS` probes, each fitted on `k` patches of each class, drawn at random."""
    of_class = [np.flatnonzero(labels == label) for label in (0, 1)]
    probes = []
    for draw in range(NUM_DRAWS):
        random = chance.generator(SEED, draw)
        rows = np.concatenate([random.choice(each, k, replace=False) for each in of_class])
        probes.append(fit(features[rows], labels[rows], FEW_C))
    return probes


def _classifier(strength: float) -> Classifier:
    return LogisticRegression(C=strength, max_iter=MAX_STEPS, warm_start=True)
