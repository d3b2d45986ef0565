"""Tests of `metastasis.models`: what a network takes and gives, and how many parameters it has."""

import keras
import numpy as np
import pytest

from metastasis import layers, models
from metastasis.errors import InputError

PATCHES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)


def test_the_baseline_is_network_a_to_the_parameter() -> None:
    assert models.build("baseline", 96).count_params() == 5_112_001


@pytest.mark.parametrize("name", models.BUILDERS)
@pytest.mark.parametrize("size", [32, 64, 96])
def test_a_network_takes_0_to_255_and_gives_a_probability(name: str, size: int) -> None:
    model = models.build(name, size)
    outputs = model(PATCHES[:, :size, :size]).numpy()
    assert (outputs.shape, outputs.dtype) == ((3, 1), np.float32)
    assert ((outputs >= 0) & (outputs <= 1)).all()
    logits = models.to_logits(model)(PATCHES[:, :size, :size]).numpy()
    np.testing.assert_allclose(outputs, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_a_crop_that_does_not_fit_is_told() -> None:
    with pytest.raises(InputError, match=r"compact needs crop\.size 32, 64 or 96.*found 48"):
        models.build("compact", 48)


@pytest.mark.parametrize(("size", "first", "last"), [(96, 2, 4), (64, 1, 3), (32, 0, 2)])
def test_compact_pools_the_central_32_pixels_by_themselves(
    size: int, first: int, last: int
) -> None:
    model = models.build("compact", size)
    names = ("relu4", "features")
    inspected = keras.Model(model.input, [model.get_layer(name).output for name in names])
    cells, features = (out.numpy() for out in inspected(PATCHES[:, :size, :size]))
    assert cells.shape[1:3] == (size // 16, size // 16)
    centre = cells[:, first:last, first:last]
    means = (cells.mean(axis=(1, 2)), centre.mean(axis=(1, 2)), centre.max(axis=(1, 2)))
    np.testing.assert_allclose(features, np.concatenate(means, axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", models.BUILDERS)
def test_training_and_plain_networks_share_their_weights(name: str) -> None:
    trained = models.build(name, 96, layers.FusedBatchNormalization)
    plain = models.build(name, 96)
    plain.set_weights(trained.get_weights())
    np.testing.assert_allclose(plain(PATCHES), trained(PATCHES), rtol=1e-5, atol=1e-6)
