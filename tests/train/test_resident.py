"""Tests of `train.resident` and `train.device_augmenting`: the batches are those of `feeding`."""

from functools import partial
from pathlib import Path
from typing import NoReturn

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.patches import write_shards
from helpers.training import MILD, PARAMS, train, write_noise
from metastasis.base.errors import InputError
from metastasis.patches import shards, symmetries
from metastasis.train import (
    augmenting,
    device_augmenting,
    devices,
    feeding,
    resident,
    train_params,
)

NOISE = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
# As smooth as tissue is at this resolution: OpenCV interpolates in 32nds of a pixel.
TISSUE = np.stack([cv2.GaussianBlur(patch, (0, 0), 1.5) for patch in NOISE])
TISSUE = cv2.normalize(TISSUE, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def on_device(
    patches: NDArray[np.uint8], changes: augmenting.Changes, params: train_params.Recipe
) -> NDArray[np.int64]:
    arrays = device_augmenting.prepared(changes, params.focus_jitter)
    tensors = {name: tf.constant(array) for name, array in arrays.items()}
    change = tf.function(partial(device_augmenting.change, geometry=params.geometry))
    changed = change(tf.constant(patches), tensors)
    assert changed.dtype == tf.uint8
    return np.asarray(changed).astype(int)


def test_each_patch_is_turned_by_its_own_element() -> None:
    elements = np.arange(16) % symmetries.NUM_ELEMENTS
    turned = on_device(NOISE, {"elements": elements}, PARAMS)
    assert np.array_equal(turned, augmenting.turn(NOISE, elements))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    geometry=st.sampled_from(["none", "d4", "rotation", "affine"]),
    stain=st.sampled_from([0.0, 0.15, 0.5]),
    focus=st.sampled_from([0.0, 0.5, 3.0]),
    size=st.sampled_from([20, 32]),
)
def test_what_was_drawn_changes_a_patch_as_the_cpu_does(
    seed: int, geometry: train_params.Geometry, stain: float, focus: float, size: int
) -> None:
    changed = {"geometry": geometry, "stain_jitter": stain, "focus_jitter": focus}
    params = PARAMS.model_copy(update=changed)
    patches = np.ascontiguousarray(TISSUE[:, :size, :size])
    changes = augmenting.draw(np.random.default_rng(seed), len(patches), size, params)
    expected = augmenting.change(patches, changes, geometry).astype(int)
    difference = np.abs(on_device(patches, changes, params) - expected)
    if geometry in {"none", "d4"}:
        assert difference.max() <= 1 + 3 * (focus > 0)  # sharpening multiplies a rounding's 1
        assert (difference > 0).mean() < 0.05
    assert difference.mean() < 0.8
    # No pixel is another one, at the edge neither.
    assert np.quantile(difference, 0.999) <= 12


def test_beyond_the_edge_goes_on_what_goes_on_on_the_cpu() -> None:
    """A ramp tells a mirrored edge from one that is repeated, or black."""
    ramp = np.broadcast_to(np.arange(0, 192, 6, dtype=np.uint8)[:, None], (1, 32, 32))
    patches = np.repeat(ramp[..., np.newaxis], 3, axis=3)
    turned = np.array([[[0.0, -0.8, 25.0], [0.8, 0.0, 3.0]]])
    for geometry, border in augmenting.BORDERS.items():
        params = PARAMS.model_copy(update={"geometry": geometry})
        expected = cv2.warpAffine(patches[0], turned[0], (32, 32), borderMode=border)
        found = on_device(patches, {"maps": turned}, params)[0]
        assert np.abs(found - expected.astype(int)).max() <= 1, geometry


@pytest.fixture
def feed(tmp_path: Path) -> feeding.Feed:
    write_shards(tmp_path, 22, size=8)
    patches = shards.read(tmp_path)
    params = PARAMS.model_copy(update={"stain_jitter": 0.0, "focus_jitter": 0.0})
    return feeding.Feed(
        patches=patches,
        places=shards.places(patches.index)[2:],
        labels=np.arange(20, dtype=np.float32),
        batch_size=5,
        seed=3,
        augment=partial(augmenting.augment, params=params),
    )


@pytest.mark.parametrize("epoch", [0, 3])
def test_its_batches_are_those_of_the_feed_in_order(feed: feeding.Feed, epoch: int) -> None:
    params = PARAMS.model_copy(update={"stain_jitter": 0.0, "focus_jitter": 0.0})
    on_the_device = resident.ResidentFeed(feed, params)
    batches = list(on_the_device.epoch(epoch))
    assert len(batches) == on_the_device.num_steps == 4
    for step, (inputs, labels) in enumerate(batches, 4 * epoch):
        patches, expected = feed.batch(step)
        assert np.array_equal(labels, expected)
        assert np.array_equal(on_the_device.to_patches(inputs), patches)


def test_only_numbers_cross_to_the_device(feed: feeding.Feed) -> None:
    on_the_device = resident.ResidentFeed(feed, PARAMS)
    inputs, _ = next(iter(on_the_device.epoch(0)))
    num_bytes = sum(np.asarray(array).nbytes for array in inputs.values())
    assert num_bytes < 5 * 80  # of the 5 * 192 bytes of these small patches


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM"),
        tf.errors.InternalError(
            None, None, "Failed copying input tensor: Dst tensor is not initialized."
        ),
    ],
)
def test_patches_that_do_not_fit_into_the_memory_are_told(
    feed: feeding.Feed, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(tf, "constant", full)
    with pytest.raises(InputError, match=r"the 20 training patches \(0\.0 GB\) don't fit .*host"):
        resident.ResidentFeed(feed, PARAMS)


def test_several_gpus_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path)
    monkeypatch.setattr(devices, "number", lambda _: 2)
    with pytest.raises(InputError, match=r"one device, found 2\. Choose train\.feed: host, or let"):
        train(tmp_path, feed="device")
    assert not (tmp_path / "out").exists()


@pytest.mark.medium
def test_the_network_is_that_of_the_host_feed_but_for_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path)
    same_patches = MILD | {"stain_jitter": 0.0, "focus_jitter": 0.0}
    runs: dict[str, dict[str, object]] = {
        "host": {},
        "device": {"feed": "device"},
        "another": {"feed": "device", "geometry": "none"},
    }
    host, device, another = (
        np.concatenate([weight.ravel() for weight in _weights(train(tmp_path, name, **params))])
        for name, changes in runs.items()
        for params in [same_patches | changes]
    )
    np.testing.assert_allclose(device, host, rtol=1e-3, atol=1e-5)
    assert np.abs(another - host).max() > 1e-4


def _weights(out: Path) -> list[NDArray[np.float32]]:
    weights: list[NDArray[np.float32]] = keras.models.load_model(
        out / "network.keras"
    ).get_weights()
    return weights
