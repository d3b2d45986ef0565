"""Changes patches as `augmenting` does, by TensorFlow's operations on the device that trains.

`prepared` turns what `augmenting` drew into tensors' contents; `change` applies them. The results
are those of `augmenting` but for rounding, since OpenCV interpolates in 32nds of a pixel.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from metastasis.train import augmenting
from metastasis.train.train_params import Geometry

# How each element of D4 is made: transposed first, then mirrored top to bottom, left to right.
_STEPS = np.array(
    [(0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 1)], bool
)
_FARTHEST = np.sqrt(2) / (1 - augmenting.ROTATION_ZOOM)  # that a turned corner reaches, by the side


def prepared(changes: augmenting.Changes, focus_jitter: float) -> dict[str, NDArray[Any]]:
    """Return the arrays that `change` takes, for changes drawn with this `train.focus_jitter`."""
    arrays: dict[str, NDArray[Any]] = {}
    if "elements" in changes:
        arrays["steps"] = _STEPS[changes["elements"]]
    if "maps" in changes:
        arrays["sources"] = _inverted(changes["maps"])
    if "densities" in changes:
        arrays["densities"] = changes["densities"].astype(np.float32)
    if "focus" in changes:
        strengths = changes["focus"]
        arrays["strengths"] = strengths.astype(np.float32)
        arrays["kernels"] = _kernels(strengths, max(focus_jitter, augmenting.SHARPENED_WIDTH))
    return arrays


def _inverted(maps: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the maps from a pixel's new place to the one that it comes from: (n, 2, 3)."""
    linear = np.linalg.inv(maps[:, :, :2])
    return np.concatenate([linear, -linear @ maps[:, :, 2:]], axis=2).astype(np.float32)


def _kernels(strengths: NDArray[np.float64], widest: float) -> NDArray[np.float32]:
    """Return the Gaussian of each patch as OpenCV cuts it off: (n, 2 * radius + 1).

    The radius is that of the widest.
    """
    radius = _radius(widest)
    kernels = np.zeros((len(strengths), 2 * radius + 1), np.float32)
    for strength, kernel in zip(strengths, kernels, strict=True):
        width = strength if strength > 0 else augmenting.SHARPENED_WIDTH
        own = _radius(width)
        kernel[radius - own : radius + own + 1] = cv2.getGaussianKernel(2 * own + 1, width)[:, 0]
    return kernels


def _radius(width: float) -> int:
    return (round(6 * width + 1) | 1) // 2  # of the kernel that OpenCV takes for bytes


def change(patches: tf.Tensor, arrays: Mapping[str, tf.Tensor], geometry: Geometry) -> tf.Tensor:
    """Return (n, size, size, 3) uint8 patches changed by what `prepared` returned, as uint8."""
    if "steps" in arrays:
        patches = _turned(patches, arrays["steps"])
    light = tf.cast(patches, tf.float32)
    if "sources" in arrays:
        light = _as_bytes(_moved(light, arrays["sources"], geometry))
    if "densities" in arrays:
        light = _as_bytes(_stained(light, arrays["densities"]))
    if "strengths" in arrays:
        light = _focused(light, arrays["strengths"], arrays["kernels"])
    return tf.cast(light, tf.uint8)


def _as_bytes(light: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.round(light), 0, 255)


def _each(values: tf.Tensor) -> tf.Tensor:
    """Return (n,) values in the form of patches."""
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _turned(patches: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    patches = tf.where(_each(steps[:, 0]), tf.transpose(patches, (0, 2, 1, 3)), patches)
    patches = tf.where(_each(steps[:, 1]), patches[:, ::-1], patches)
    return tf.where(_each(steps[:, 2]), patches[:, :, ::-1], patches)


def _moved(light: tf.Tensor, sources: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Return each patch with the pixels that its map points to, bilinearly interpolated."""
    size = light.shape[1]
    edge = 0
    if augmenting.BORDERS[geometry] == cv2.BORDER_REFLECT_101:
        edge = min(int(np.ceil((_FARTHEST - 1) / 2 * size)) + 1, size - 1)
        light = tf.pad(light, ((0, 0), (edge, edge), (edge, edge), (0, 0)), "REFLECT")
    places = sources + tf.constant([0.0, 0.0, edge])
    transforms = tf.pad(tf.reshape(places, (-1, 6)), ((0, 0), (0, 2)))  # no perspective
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=light,
        transforms=transforms,
        output_shape=(size, size),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",  # the last pixels go on
    )


def _stained(light: tf.Tensor, densities: tf.Tensor) -> tf.Tensor:
    factor, shift = (densities[:, tf.newaxis, tf.newaxis, :, number] for number in range(2))
    density = -tf.math.log((light + 1) / 256)
    return 256 * tf.exp(-(factor * density + shift)) - 1


def _focused(light: tf.Tensor, strengths: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    blurred = tf.round(_blurred(_blurred(light, kernels, axis=1), kernels, axis=2))
    strengths = _each(strengths)
    sharpened = _as_bytes((1 - strengths) * light + strengths * blurred)
    return tf.where(strengths > 0, blurred, sharpened)


def _blurred(light: tf.Tensor, kernels: tf.Tensor, axis: int) -> tf.Tensor:
    """Return the patches, each convolved with its kernel along one axis."""
    size, width = light.shape[axis], kernels.shape[1]
    pads = [(0, 0)] * 4
    pads[axis] = (width // 2, width // 2)
    padded = tf.pad(light, pads, "REFLECT")
    shifted = (
        padded[:, start : start + size] if axis == 1 else padded[:, :, start : start + size]
        for start in range(width)
    )
    return tf.add_n([_each(kernels[:, start]) * part for start, part in enumerate(shifted)])
