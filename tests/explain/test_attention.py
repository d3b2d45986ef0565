"""Tests of `explain.attention`: heat lies where a network of known weights looks."""

import keras
import numpy as np
import pytest

from metastasis import models
from metastasis.explain import attention
from metastasis.explain.attention import GLASS, WINDOW

CORNER = np.zeros((1, 32, 32), bool)
CORNER[:, :8, :8] = True


def corner_network() -> keras.Model:
    """A network whose logit is how dark the upper left 8x8 of 32x32 is, as one of 4x4 features."""
    inputs = keras.Input((32, 32, 3), name="patch")
    darkness = keras.layers.Conv2D(1, 8, strides=8, name="dark")
    outer = keras.layers.Flatten(name="flatten")(darkness(inputs))
    logit = keras.layers.Dense(1, name="logit")
    outputs = keras.layers.Activation("sigmoid", name="probability")(logit(outer))
    network = keras.Model(inputs, outputs)
    darkness.set_weights([np.full((8, 8, 3, 1), -1 / 192, np.float32), np.array([255.0])])
    weights = np.zeros((16, 1), np.float32)
    weights[0] = 0.01
    logit.set_weights([weights, np.zeros(1)])
    return network


@pytest.fixture
def patches() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (3, 32, 32, 3), np.uint8)


def test_grad_cam_is_what_each_place_adds_to_the_logit(patches: np.ndarray) -> None:
    network = corner_network()
    heat = attention.grad_cam(network, patches)
    logits = models.to_logits(network).predict_on_batch(patches)[:, 0]
    # Enlarged from 4x4 to 32x32, the corner keeps its cell's value.
    assert heat[:, 0, 0] == pytest.approx(logits, rel=1e-4)
    assert not heat[:, 16:, 16:].any()


def test_grad_cam_leaves_out_what_speaks_against_tumour(patches: np.ndarray) -> None:
    network = corner_network()
    layer = network.get_layer("logit")
    layer.set_weights([-weights for weights in layer.get_weights()])
    assert not attention.grad_cam(network, patches).any()


def test_more_patches_than_a_batch_have_each_their_own_heat(
    patches: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = attention.grad_cam(corner_network(), patches)
    monkeypatch.setattr(attention, "BATCH_SIZE", 2)
    assert attention.grad_cam(corner_network(), patches) == pytest.approx(together)


def test_covering_the_place_that_counts_lowers_the_logit(patches: np.ndarray) -> None:
    network = corner_network()
    heat = attention.occlusion(network, patches)
    # The only window over the very corner also covers all that counts.
    covered = patches.copy()
    covered[:, :WINDOW, :WINDOW] = GLASS
    before, after = (
        models.to_logits(network).predict_on_batch(each)[:, 0] for each in (patches, covered)
    )
    assert heat[:, 0, 0] == pytest.approx(before - after, rel=1e-4)
    assert not heat[:, 16:, :].any()
    assert not heat[:, :, 16:].any()


def test_the_share_inside_is_of_the_heat_not_of_the_area() -> None:
    heat = np.ones((2, 32, 32), np.float32)
    heat[0, :8, :8] = 3
    heat[1] = 0
    inside, undefined = attention.share_inside(heat, CORNER)
    assert inside == pytest.approx(3 * 64 / (3 * 64 + 960))
    assert np.isnan(undefined)


def test_a_heat_agrees_with_itself_and_disagrees_with_its_opposite() -> None:
    heat = np.random.default_rng(0).random((2, 32, 32), np.float32)
    assert attention.agreement(heat, 2 * heat + 1) == pytest.approx([1, 1])
    assert attention.agreement(heat, -heat) == pytest.approx([-1, -1])
    assert np.isnan(attention.agreement(heat, np.ones_like(heat))).all()


@pytest.mark.parametrize("name", models.BUILDERS)
def test_every_network_has_features_with_a_place(name: str) -> None:
    patches = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    heat = attention.grad_cam(models.build(name, 64), patches)
    assert heat.shape == (2, 64, 64)
    assert np.isfinite(heat).all()


@pytest.mark.parametrize("size", [32, 34, 50, 90, 96])
def test_every_place_is_covered_whatever_the_size(size: int) -> None:
    inputs = keras.Input((size, size, 3), name="patch")
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(inputs)
    logit = keras.layers.Dense(1, name="logit")
    outputs = keras.layers.Activation("sigmoid", name="probability")(logit(mean))
    network = keras.Model(inputs, outputs)
    logit.set_weights([np.full((3, 1), -1, np.float32), np.zeros(1)])  # how dark a patch is
    patches = np.random.default_rng(0).integers(0, 200, (2, size, size, 3), np.uint8)
    heat = attention.occlusion(network, patches)
    assert (heat > 0).all()
    assert attention.agreement(heat, heat) == pytest.approx([1, 1])


def test_no_patch_has_no_heat() -> None:
    none = np.empty((0, 32, 32, 3), np.uint8)
    network = corner_network()
    assert attention.grad_cam(network, none).shape == (0, 32, 32)
    assert attention.occlusion(network, none).shape == (0, 32, 32)
    empty = np.empty((0, 32, 32), np.float32)
    assert attention.agreement(empty, empty).shape == (0,)
