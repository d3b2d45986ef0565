"""Tests of `probe.regression`: signals that are planted in noise are found, and nothing else is."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from metastasis.base.errors import InputError
from metastasis.probe import regression

NUM, WIDTH = 600, 20
Float32 = NDArray[np.float32]
Ints = NDArray[np.int64]


def noise(seed: int, num: int = NUM) -> tuple[Float32, Ints]:
    """Return features and labels that are independent."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(num, WIDTH)).astype(np.float32)
    return features, random.integers(0, 2, num)


def planted(seed: int, num: int = NUM) -> tuple[Float32, Ints]:
    """Return the same, where the first feature is higher for label 1."""
    features, labels = noise(seed, num)
    features[:, 0] += 4 * labels
    return features, labels


def test_the_scale_gives_mean_0_and_deviation_1_whatever_the_size_of_features() -> None:
    random = np.random.default_rng(0)
    features = (random.normal(size=(500, 3)) * [1e-3, 1, 100] + [0, 5, 1000]).astype(np.float32)
    scaled = regression.scale(features).apply(features)
    assert scaled.dtype == np.float32
    assert scaled.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert scaled.std(axis=0) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("constant", [0, 1, 0.1, -12345.678])
def test_a_constant_feature_becomes_zero(constant: float) -> None:
    features = np.full((501, 1), constant, np.float32)
    assert regression.scale(features).apply(features) == pytest.approx(0, abs=2e-3)


def test_a_planted_signal_is_learnt() -> None:
    features, labels = planted(0)
    areas = regression.choose(features, labels, np.arange(NUM))
    assert list(areas) == list(regression.GRID)
    assert max(areas.values()) > 0.95
    unseen, unseen_labels = planted(1)
    probe = regression.fit(features, labels, 1e-2)
    assert roc_auc_score(unseen_labels, probe.decision_function(unseen)) > 0.95


def test_pure_noise_gives_half() -> None:
    features, labels = noise(0, 2000)
    for area in regression.choose(features, labels, np.arange(2000)).values():
        assert area == pytest.approx(0.5, abs=0.05)


def test_groups_are_kept_whole_so_that_recognising_them_does_not_count() -> None:
    """Each group has a feature of its own and a majority of one label: known groups are easy."""
    groups = np.arange(NUM) // 20
    random = np.random.default_rng(0)
    labels = (random.random(NUM) < np.where(groups % 2, 0.9, 0.1)).astype(np.int64)
    features = 8 * np.eye(groups.max() + 1, dtype=np.float32)[groups]
    features += random.normal(size=features.shape).astype(np.float32)
    apart = regression.choose(features, labels, groups)
    together = regression.choose(features, labels, np.arange(NUM))
    assert min(together.values()) > 0.75
    assert max(apart.values()) < 0.6


def test_the_penalty_is_chosen_for_unseen_groups() -> None:
    """A weak signal is shared by all groups; strong features hold in one group each."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 20)
    labels = random.integers(0, 2, len(groups))
    features = random.normal(size=(len(groups), 300)).astype(np.float32)
    features[:, 0] += 0.8 * labels
    areas = regression.choose(features, labels, groups)
    assert max(areas, key=lambda each: areas[each]) < max(regression.GRID)
    assert areas[max(regression.GRID)] < max(areas.values()) - 0.01


def test_a_class_in_a_single_group_is_refused() -> None:
    features, labels = noise(0)
    with pytest.raises(InputError, match="a class has training patches in only 1 of the"):
        regression.choose(features, labels, np.where(labels == 1, 0, np.arange(NUM)))


def test_few_shot_probes_are_fitted_on_k_of_each_class_and_are_the_same_each_time() -> None:
    features, labels = planted(0)
    probes, again = (regression.few_shot(features, labels, 10) for _ in range(2))
    assert len(probes) == regression.NUM_DRAWS
    kernels = np.array([probe.coef_[0] for probe in probes])
    assert (kernels == [probe.coef_[0] for probe in again]).all()
    assert len(np.unique(kernels[:, 0])) == regression.NUM_DRAWS
    unseen, unseen_labels = planted(1)
    areas = [roc_auc_score(unseen_labels, probe.decision_function(unseen)) for probe in probes]
    assert 0.8 < np.mean(areas) < 0.995
    with pytest.raises(InputError, match=r"probe\.k is 400, but a class has only 2\d\d training"):
        regression.check_few_shot(labels, 400)
