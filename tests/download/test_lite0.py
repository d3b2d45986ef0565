"""Tests of `download.lite0`: the package's weights arrive in the right layers, in the right order.

Outputs of layers are compared with those that NumPy computes from PyTorch's tensors.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray

from metastasis import models
from metastasis.base.errors import InputError
from metastasis.download import lite0, torch_files
from metastasis.pretrained import weights

EPSILON = 1e-3  # of EfficientNet's normalisations
Floats = NDArray[np.float32]
Model = Any  # keras.Model; Keras ships no types
Layer = Any


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "efficientnet-lite0.keras"
    lite0.convert(lite0.installed(), path)
    return path


@pytest.fixture(scope="module")
def body(converted: Path) -> Model:
    return keras.saving.load_model(converted, compile=False)


@pytest.fixture(scope="module")
def tensors() -> torch_files.Tensors:
    return torch_files.read(lite0.installed())


def of_kind(body: Model, kind: type) -> Iterator[Layer]:
    """Yield the layers of exactly this class: a depthwise convolution is also a convolution."""
    return (layer for layer in body.layers if type(layer) is kind)


def response(layer: Layer, window: Floats) -> Floats:
    """Return what a convolution gives for a window of its kernel's size."""
    alone = type(layer).from_config(layer.get_config() | {"padding": "valid", "strides": 1})
    alone.build((None, *window.shape))
    alone.set_weights(layer.get_weights())
    return np.asarray(alone(window[np.newaxis])[0, 0, 0], np.float32)


def window(size: int, channels: int) -> Floats:
    return np.random.default_rng(0).normal(size=(size, size, channels)).astype(np.float32)


def test_every_tensor_is_used_once_but_for_the_head_and_the_counts(
    body: Model,
    tensors: torch_files.Tensors,
) -> None:
    used = [name for layer in body.layers if layer.weights for name in lite0.names(layer)]
    assert len(used) == len(set(used))
    unused = {name for name in set(tensors) - set(used) if not name.endswith("batches_tracked")}
    assert unused == {"_fc.weight", "_fc.bias"}


def test_each_convolution_gives_what_pytorchs_kernel_gives(
    body: Model,
    tensors: torch_files.Tensors,
) -> None:
    found = list(of_kind(body, layers.Conv2D))
    assert len(found) == 33  # stem and top, 16 blocks that project, and all but one that expand
    for layer in found:
        kernel = tensors[lite0.names(layer)[0]]
        patch = window(kernel.shape[2], kernel.shape[1])
        expected = np.einsum("hwi,oihw->o", patch, kernel)
        np.testing.assert_allclose(response(layer, patch), expected, rtol=1e-3, atol=1e-4)


def test_each_depthwise_convolution_gives_what_pytorchs_kernel_gives(
    body: Model,
    tensors: torch_files.Tensors,
) -> None:
    found = list(of_kind(body, layers.DepthwiseConv2D))
    assert len(found) == 16
    for layer in found:
        kernel = tensors[lite0.names(layer)[0]]
        patch = window(kernel.shape[2], kernel.shape[0])
        expected = np.einsum("hwc,chw->c", patch, kernel[:, 0])
        np.testing.assert_allclose(response(layer, patch), expected, rtol=1e-3, atol=1e-4)


def test_each_normalisation_gives_what_pytorchs_statistics_give(
    body: Model,
    tensors: torch_files.Tensors,
) -> None:
    found = list(of_kind(body, layers.BatchNormalization))
    assert len(found) == 49
    for layer in found:
        prefix = lite0.names(layer)[0].removesuffix(".weight")
        scale, shift, mean, variance = (
            tensors[f"{prefix}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        patch = window(1, len(mean))
        expected = (patch - mean) / np.sqrt(variance + EPSILON) * scale + shift
        np.testing.assert_allclose(
            np.asarray(layer(patch[np.newaxis]))[0], expected, rtol=1e-3, atol=1e-4
        )


def natural(num: int, size: int) -> Floats:
    """Return grey pictures whose amplitudes fall as one over the frequency, as in photographs."""
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, np.newaxis], np.fft.rfftfreq(size))
    amplitude = 1 / np.maximum(frequency, 1 / size)
    phase = np.exp(2j * np.pi * random.random((num, *amplitude.shape)))
    pictures = np.fft.irfft2(amplitude * phase, s=(size, size))
    pictures = 120 + 60 * pictures / pictures.std()
    return np.repeat(np.clip(pictures, 0, 255)[..., np.newaxis], 3, -1).astype(np.float32)


def test_features_of_pictures_are_as_the_statistics_of_imagenet_say(
    body: Model,
) -> None:
    """A wrong order of layers or channels, scale of the input or padding moves the means away."""
    norms = list(of_kind(body, layers.BatchNormalization))
    probe = keras.Model(body.input, [norm.input for norm in norms])
    features = probe.predict(natural(16, body.input_shape[1]), verbose=0)
    distances = []
    for norm, feature in zip(norms, features, strict=True):
        _, _, mean, variance = norm.get_weights()
        deviation = np.sqrt(variance + EPSILON)
        distances.append(np.median(np.abs(feature.mean((0, 1, 2)) - mean) / deviation))
    assert np.mean(distances) < 0.4  # 0.3; 3.3 with reversed channels, 0.5 with two norms exchanged


def test_the_file_fills_the_network_that_is_trained(converted: Path, body: Model) -> None:
    network = models.build("efficientnet-lite0", 96)
    weights.fill(network, converted)
    for layer in body.layers:
        for given, filled in zip(
            layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(given, filled)


def test_the_same_weights_give_the_same_bytes(converted: Path, tmp_path: Path) -> None:
    path = tmp_path / "again" / converted.name
    lite0.convert(lite0.installed(), path)
    assert path.read_bytes() == converted.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("num_kept", "found"), [(1000, r"\w{32}"), (None, "no file")], ids=["damaged", "missing"]
)
def test_another_file_than_the_published_one_is_not_even_opened(
    tmp_path: Path, num_kept: int | None, found: str
) -> None:
    path = tmp_path / "weights.pth"
    if num_kept:
        path.write_bytes(lite0.installed().read_bytes()[:num_kept])
    with pytest.raises(
        InputError, match=rf"{path}: expected the MD5 {lite0.MD5}, found {found}\. Install the pack"
    ):
        lite0.convert(path, tmp_path / "weights.keras")
    assert not (tmp_path / "weights.keras").exists()


def test_without_the_package_the_way_to_install_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError, match=r"-model, .* is not installed: run `make setup`, or"):
        lite0.installed()
