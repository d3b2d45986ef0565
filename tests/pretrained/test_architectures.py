"""Tests of `pretrained.architectures`: the layers are those of the published networks."""

import keras
import numpy as np
import pytest

from metastasis import models
from metastasis.base.errors import InputError
from metastasis.pretrained import architectures
from metastasis.train import train_params

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


@pytest.mark.parametrize("name", architectures.ARCHITECTURES)
@pytest.mark.parametrize("size", [48, 64, 80])
def test_a_crop_whose_centre_is_no_whole_cell_is_refused(name: str, size: int) -> None:
    with pytest.raises(InputError, match=rf"published weights need crop\.size 32 or.*found {size}"):
        models.build(name, size)


def test_params_know_the_networks_and_their_crops() -> None:
    assert set(train_params.PRETRAINED) == set(architectures.ARCHITECTURES)
    assert {train_params.SIZES[name] for name in train_params.PRETRAINED} == {
        models.PUBLISHED_SIZES
    }
