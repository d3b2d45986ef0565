"""Tests of `models`: what a network takes and gives, and how many parameters it has."""

from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from helpers.networks import PUBLISHED, unsettle
from metastasis import models, saving
from metastasis.base.errors import InputError
from metastasis.patches import symmetries
from metastasis.pretrained import architectures
from metastasis.train import train_params, training

PATCHES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)
# Noise, brighter to the right and, less, to the bottom: no flip or turn of it looks like it.
SHADES = np.add.outer(np.arange(96), 2 * np.arange(96))[np.newaxis, :, :, np.newaxis]
SHADED = (PATCHES[:1] * (SHADES / SHADES.max())).astype(np.uint8)


def test_the_baseline_is_network_a_to_the_parameter() -> None:
    assert models.build("baseline", 96).count_params() == 5_112_001


@pytest.mark.parametrize("name", models.BUILDERS)
@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_a_network_takes_0_to_255_and_gives_a_probability(name: str, size: int) -> None:
    model = models.build(name, size)
    outputs = model(PATCHES[:, :size, :size]).numpy()
    assert (outputs.shape, outputs.dtype) == ((3, 1), np.float32)
    assert ((outputs >= 0) & (outputs <= 1)).all()
    logits = models.to_logits(model)(PATCHES[:, :size, :size]).numpy()
    np.testing.assert_allclose(outputs, 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.parametrize("name", ["compact", "p4m"])
def test_a_crop_that_does_not_fit_is_told(name: str) -> None:
    with pytest.raises(
        InputError, match=r"compact and p4m need crop\.size 32, 48, 64, 80 or.*found 40"
    ):
        models.build(name, 40)


@pytest.mark.parametrize(
    ("size", "first", "last"), [(96, 4, 8), (64, 2, 6), (48, 1, 5), (32, 0, 4)]
)
def test_compact_pools_the_central_32_pixels_by_themselves(
    size: int, first: int, last: int
) -> None:
    model = models.build("compact", size)
    names = ("relu4", "features")
    inspected = keras.Model(model.input, [model.get_layer(name).output for name in names])
    cells, features = (out.numpy() for out in inspected(PATCHES[:, :size, :size]))
    assert cells.shape[1:3] == (size // 8, size // 8)
    centre = cells[:, first:last, first:last]
    means = (cells.mean(axis=(1, 2)), centre.mean(axis=(1, 2)), centre.max(axis=(1, 2)))
    np.testing.assert_allclose(features, np.concatenate(means, axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", models.BUILDERS)
def test_the_plain_network_computes_what_the_trained_one_does(name: str) -> None:
    network = models.build(name, 96, training.parts(name))
    unsettle(network)
    plain = models.to_plain(network, name)
    assert {type(layer).__module__.split(".")[0] for layer in plain.layers} == {"keras"}
    np.testing.assert_allclose(plain(PATCHES), network(PATCHES), rtol=1e-5, atol=1e-6)


@given(temperature=st.floats(0.3, 20), name=st.sampled_from(sorted(models.BUILDERS)))
@settings(max_examples=8)
def test_the_final_model_has_the_temperature_inside(temperature: float, name: str) -> None:
    network = models.build(name, 32)
    unsettle(network)
    patches = PATCHES[:, :32, :32]
    logits = models.to_logits(network)(patches).numpy().astype(np.float64)
    final = models.to_final([network], temperature, "none")(patches).numpy()
    np.testing.assert_allclose(final, expit(logits / temperature), atol=1e-6)
    np.testing.assert_array_equal(models.to_logits(network)(patches), logits)  # left as it was


@pytest.mark.parametrize("name", models.BUILDERS)
def test_the_final_model_averages_the_logits_over_flips_and_turns(name: str) -> None:
    network = models.build(name, 48)
    unsettle(network)
    shaded = np.concatenate([SHADED, SHADED[:, ::-1], SHADED // 2])[:, 20:68, 20:68]
    logits = [models.to_logits(network)(symmetries.turn(shaded, each)) for each in range(8)]
    expected = expit(np.mean(logits, axis=0, dtype=np.float64) / 1.7)
    final = models.to_final([network], 1.7, "d4")
    assert final.predict(shaded, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert final.output_shape == (None, 1)


@pytest.mark.parametrize("tta", ["none", "d4"])
def test_the_final_model_of_several_networks_gives_the_mean_of_their_logits(
    tta: symmetries.TestTime,
) -> None:
    networks = [models.build("compact", 48) for _ in range(3)]
    for seed, network in enumerate(networks):
        unsettle(network, seed)
    shaded = np.concatenate([SHADED, SHADED[:, ::-1], SHADED // 2])[:, 20:68, 20:68]
    elements = range(8 if tta == "d4" else 1)
    logits = [
        models.to_logits(network)(symmetries.turn(shaded, each))
        for network in networks
        for each in elements
    ]
    assert np.std(logits[:: len(elements)], axis=0).min() > 1e-3  # they do differ
    expected = expit(np.mean(logits, axis=0, dtype=np.float64) / 1.7)
    final = models.to_final(networks, 1.7, tta)
    assert final.predict(shaded, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert final.output_shape == (None, 1)


def test_p4m_learns_fewer_parameters_than_compact() -> None:
    assert models.build("p4m", 96, training.PARTS["p4m"]).count_params() == 95_197
    assert models.build("compact", 96).count_params() == 432_609


@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_p4m_says_the_same_of_a_patch_flipped_or_turned(size: int) -> None:
    keras.utils.set_random_seed(1)
    network = models.build("p4m", size, training.PARTS["p4m"])
    unsettle(network)
    patch = SHADED[:, :size, :size]
    turned = np.concatenate([symmetries.turn(patch, element) for element in range(8)])
    for model in (network, models.to_plain(network, "p4m")):
        logits = models.to_logits(model)(turned).numpy()
        # A fourth of this is the most that the probability differs by.
        np.testing.assert_allclose(logits, np.full((8, 1), logits[0]), rtol=0, atol=4e-5)


def test_p4m_in_bfloat16_has_a_float32_gradient_of_every_weight() -> None:
    model = models.build("p4m", 32, training.PARTS["p4m"], "mixed_bfloat16")
    network = models.to_logits(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(PATCHES[:, :32, :32], training=True) ** 2)
    variables = [weight.value for weight in network.trainable_weights]
    for gradient in tape.gradient(loss, variables):
        assert gradient.dtype == tf.float32
        assert (np.isfinite(gradient) & (gradient != 0)).numpy().mean() > 0.5


def test_the_networks_that_params_take_are_those_that_can_be_built() -> None:
    built = {*models.BUILDERS, *architectures.ARCHITECTURES}
    assert set(get_args(train_params.Network)) == built
    assert set(train_params.SIZES) <= built


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_network_trains_and_is_saved_like_the_others(name: str, tmp_path: Path) -> None:
    """The layers used in training compute as Keras's own, which alone are saved."""
    keras.utils.set_random_seed(1)
    network = models.build(name, 32, training.parts(name))
    unsettle(network)
    plain = models.to_plain(network, name)
    final = models.to_final([plain], 1.7, "d4")
    assert {type(layer).__module__.split(".")[0] for layer in plain.layers} == {"keras"}
    patches = PATCHES[:, :32, :32]
    np.testing.assert_allclose(plain(patches), network(patches), rtol=1e-4, atol=1e-5)
    for number, model in enumerate((plain, plain, final)):
        saving.save(model, tmp_path / f"{number}.keras")
    assert (tmp_path / "0.keras").read_bytes() == (tmp_path / "1.keras").read_bytes()
    loaded = keras.saving.load_model(tmp_path / "2.keras")
    np.testing.assert_allclose(loaded(patches), final(patches), rtol=1e-5, atol=1e-6)
