"""Tests of `train.equivariance`: layers flip and turn with their input, and become plain."""

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from metastasis.patches import symmetries
from metastasis.train.equivariance import GroupBatchNormalization, GroupConvolution

Array = NDArray[np.float32]

RANDOM = np.random.default_rng(0)
PATCHES = RANDOM.normal(size=(2, 6, 6, 3)).astype(np.float32)
FEATURES = RANDOM.normal(1, 2, (2, 6, 6, 8 * 3)).astype(np.float32)
NORM_WEIGHTS = RANDOM.uniform(0.5, 2, (4, 3)).astype(np.float32)


def turned_patches(patches: Array, element: int) -> Array:
    return symmetries.turn(patches, element)


def turned_features(features: Array, element: int) -> Array:
    """Turn each orientation, and put it where `element` takes it.

    Turns add up, and a mirror before them turns the other way what it mirrors.
    """
    by_orientation = features.reshape(*features.shape[:3], 8, -1)
    turned = np.empty_like(by_orientation)
    mirrored, turns = divmod(element, 4)
    for orientation in range(8):
        is_mirrored, quarter = divmod(orientation, 4)
        place = (turns + (-quarter if mirrored else quarter)) % 4 + 4 * (mirrored ^ is_mirrored)
        turned[..., place, :] = turned_patches(by_orientation[..., orientation, :], element)
    return turned.reshape(features.shape)


@pytest.mark.parametrize("element", range(8))
def test_features_of_a_turned_patch_are_turned(element: int) -> None:
    layer = GroupConvolution(40, "lifting", lifting=True)
    features = layer(PATCHES).numpy()
    np.testing.assert_allclose(
        layer(turned_patches(PATCHES, element)), turned_features(features, element), atol=1e-5
    )


@pytest.mark.parametrize("element", range(8))
def test_features_of_turned_features_are_turned(element: int) -> None:
    layer = GroupConvolution(40, "convolution")
    features = layer(FEATURES).numpy()
    np.testing.assert_allclose(
        layer(turned_features(FEATURES, element)), turned_features(features, element), atol=1e-5
    )


@pytest.mark.parametrize(("lifting", "inputs"), [(True, PATCHES), (False, FEATURES)])
def test_a_convolution_starts_with_the_variance_of_its_fan_in(lifting: bool, inputs: Array) -> None:
    layer = GroupConvolution(8 * 500, "convolution", lifting=lifting)
    layer.build(inputs.shape)
    fan_in = 9 * inputs.shape[-1]
    assert np.var(layer.get_weights()[0]) == pytest.approx(2 / fan_in, rel=0.1)


@pytest.mark.parametrize(("lifting", "inputs"), [(True, PATCHES), (False, FEATURES)])
def test_a_convolution_becomes_plain(lifting: bool, inputs: Array) -> None:
    layer = GroupConvolution(40, "convolution", lifting=lifting)
    plain = keras.layers.Conv2D(40, 3, padding="same", use_bias=False)
    expected = layer(inputs)
    plain.build(inputs.shape)
    plain.set_weights(layer.plain_weights())
    np.testing.assert_allclose(plain(inputs), expected, atol=1e-5)


def test_normalisation_shares_its_statistics_between_orientations() -> None:
    layer = GroupBatchNormalization(0.0, "norm")
    outputs = layer(FEATURES, training=True).numpy()
    by_filter = FEATURES.reshape(-1, 3)
    _, _, mean, variance = layer.get_weights()
    np.testing.assert_allclose(mean, by_filter.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, by_filter.var(axis=0), rtol=1e-5)
    expected = (by_filter - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(outputs.reshape(-1, 3), expected, atol=1e-5)


def test_normalisation_becomes_plain() -> None:
    layer = GroupBatchNormalization(0.9, "norm")
    plain = keras.layers.BatchNormalization()
    for norm in (layer, plain):
        norm.build(FEATURES.shape)
    layer.set_weights(list(NORM_WEIGHTS))
    plain.set_weights(layer.plain_weights())
    np.testing.assert_allclose(plain(FEATURES), layer(FEATURES), atol=1e-5)
