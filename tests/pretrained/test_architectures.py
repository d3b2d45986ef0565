"""Tests of `pretrained.architectures`: the layers are those of the published networks."""

import cv2
import keras
import numpy as np
import pytest

from metastasis import models
from metastasis.base.errors import InputError
from metastasis.pretrained import architectures
from metastasis.train import train_params, training
from metastasis.train.layers import SharedDropout

pytestmark = pytest.mark.medium

PATCHES = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)

PUBLISHED = {
    "densenet121": (keras.applications.DenseNet121, keras.applications.densenet.preprocess_input),
    "efficientnetv2b0": (keras.applications.EfficientNetV2B0, None),  # it preprocesses itself
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_with_its_weights_it_computes_what_the_published_network_does(name: str) -> None:
    keras.utils.set_random_seed(1)
    make, preprocess = PUBLISHED[name]
    published = make(include_top=False, weights=None, input_shape=(96, 96, 3))
    body = architectures.build(name, 96, keras.layers.BatchNormalization)
    weights = {layer.name: layer.get_weights() for layer in published.layers}
    for layer in body.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    inputs = PATCHES.astype(np.float32)
    expected = published(preprocess(inputs.copy()) if preprocess else inputs)
    np.testing.assert_allclose(body(PATCHES), expected, rtol=1e-3, atol=1e-4)


def test_lite0_has_the_published_number_of_weights() -> None:
    """Liu 2020 counts 4.7 million: 1,281,000 of them are the classifier's for ImageNet."""
    body = architectures.build("efficientnet-lite0", 96, keras.layers.BatchNormalization)
    trainable = sum(weight.size for weight in map(np.asarray, body.trainable_weights))
    assert round((trainable + 1281 * 1000) / 1e6, 1) == 4.7


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
def test_every_layer_has_a_name_that_does_not_depend_on_the_process(name: str) -> None:
    first, second = (models.build(name, 32) for _ in range(2))
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


def test_every_dropout_draws_for_the_whole_batch_in_training() -> None:
    """Also EfficientNetV2's own: else, all devices would leave out the same blocks."""
    name = "efficientnetv2b0"
    network = models.build(name, 96, training.parts(name))
    dropouts = [each for each in network.layers if isinstance(each, keras.layers.Dropout)]
    assert len(dropouts) > 10
    assert {type(each) for each in dropouts} == {SharedDropout}
    plain = [each.name for each in models.build(name, 96).layers]
    assert {each.name for each in dropouts} <= set(plain)


def test_an_enlarged_patch_gives_what_the_network_gives_for_a_patch_of_that_size() -> None:
    keras.utils.set_random_seed(1)
    large = architectures.build("densenet121", 192, keras.layers.BatchNormalization)
    body = architectures.build("densenet121-x2", 96, keras.layers.BatchNormalization)
    body.set_weights(large.get_weights())
    patches = PATCHES.astype(np.float32)
    enlarged = [cv2.resize(patch, (192, 192), interpolation=cv2.INTER_LINEAR) for patch in patches]
    np.testing.assert_allclose(body(patches), large(np.stack(enlarged)), rtol=1e-3, atol=1e-4)


def test_an_enlarged_patch_looks_the_same_from_all_sides() -> None:
    body = architectures.build("densenet121-x2", 96, keras.layers.BatchNormalization)
    enlarge = keras.Model(body.input, body.get_layer("enlarge").output)
    expected = np.rot90(enlarge(PATCHES), axes=(1, 2))
    np.testing.assert_allclose(enlarge(np.rot90(PATCHES, axes=(1, 2))), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (name, size)
        for name in architectures.ARCHITECTURES
        for size in range(32, 97, 2)
        if size not in train_params.SIZES[name]
    ],
)
def test_a_crop_whose_centre_is_no_whole_cells_is_refused(name: str, size: int) -> None:
    with pytest.raises(InputError, match=rf"published weights need crop\.size 32 or.*found {size}"):
        models.build(name, size)


@pytest.mark.parametrize(
    ("name", "size"), [("densenet121", 96), ("densenet121-x2", 64), ("densenet121-x2", 96)]
)
def test_the_centre_is_pooled_separately(name: str, size: int) -> None:
    network = models.build(name, size)
    side = network.get_layer("centre").input.shape[1]
    assert network.get_layer("centre").output.shape[1] / side == 32 / size


def test_params_know_the_networks_and_whose_weights_fit_them() -> None:
    assert set(train_params.PRETRAINED) == set(architectures.ARCHITECTURES)
    others = {name: fit for name, fit in train_params.PRETRAINED.items() if name != fit}
    assert others
    for name, published in others.items():
        shapes = [
            {
                layer.name: [weight.shape for weight in layer.weights]
                for layer in models.build(network, 32).layers
                if layer.weights
            }
            for network in (name, published)
        ]
        assert shapes[0] == shapes[1]
