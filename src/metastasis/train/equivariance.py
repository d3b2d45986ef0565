"""Layers for training whose output flips and turns with their input; models are saved without them.

They are those of Cohen and Welling 2016 ("Group equivariant convolutional networks") for the group
p4m. Features come in 8 orientations, one for each element of `symmetries`, with channels in
the order (orientation, filter). A turned patch has the same features, turned, in orientations that
changed places. What a network makes of these layers stands in `models`.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from metastasis.patches import symmetries
from metastasis.patches.symmetries import NUM_ELEMENTS
from metastasis.train.layers import FusedBatchNormalization

SIDE = 3  # of a kernel


class GroupConvolution(keras.layers.Layer):
    """A 3x3 convolution of features in 8 orientations or, if `lifting`, of patches.

    What is learnt is one orientation of each filter; the others are its kernel flipped and turned.
    All of them make one ordinary kernel, so that this takes no longer than a plain convolution to
    as many `filters`, which counts a filter's orientations one by one.
    """

    def __init__(self, filters: int, name: str, *, lifting: bool = False) -> None:
        super().__init__(name=name)
        self.filters = filters
        self.sources = _sources(lifting=lifting)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the kernel: (3, 3, orientations in, filters in, filters out).

        Keras counts its fan-in, for the initialiser of He et al. 2015, over all but the last axis.
        """
        orientations = self.sources.shape[1]
        filters_in, filters_out = input_shape[-1] // orientations, self.filters // NUM_ELEMENTS
        self.kernel = self.add_weight(
            (SIDE, SIDE, orientations, filters_in, filters_out),
            initializer="he_normal",
            autocast=False,  # so that the orientations' gradients are summed in float32
            name="kernel",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolve (n, height, width, channels) with every orientation of the kernel."""
        return ops.conv(inputs, ops.cast(self._turned(), self.compute_dtype), padding="same")

    def plain_weights(self) -> list[NDArray[np.float32]]:
        """Return the weights of the `keras.layers.Conv2D` that computes the same."""
        return [ops.convert_to_numpy(self._turned())]

    def _turned(self) -> tf.Tensor:
        """Return the kernel in every orientation: (3, 3, channels in, channels out)."""
        kernel = ops.reshape(self.kernel, (-1, *self.kernel.shape[-2:]))
        turned = ops.take(kernel, self.sources, axis=0)  # (9, in, out, filters in, filters out)
        return ops.reshape(ops.transpose(turned, (0, 1, 3, 2, 4)), (SIDE, SIDE, -1, self.filters))


class GroupBatchNormalization(keras.layers.Layer):
    """Batch normalisation that shares mean, variance, scale and offset between orientations."""

    def __init__(self, momentum: float, name: str) -> None:
        super().__init__(name=name)
        # With so few channels TensorFlow's kernel for bfloat16 takes ten times as long on a CPU.
        self.norm = FusedBatchNormalization(momentum=momentum, dtype="float32")

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the four weights of each filter."""
        self.norm.build((*input_shape[:-1], input_shape[-1] // NUM_ELEMENTS))

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:  # noqa: FBT001  # Keras's signature
        """Normalise (n, height, width, channels) as if the orientations stood side by side."""
        _, height, width, channels = inputs.shape
        beside = (-1, height, width * NUM_ELEMENTS, channels // NUM_ELEMENTS)
        normed = self.norm(ops.reshape(inputs, beside), training=training)
        return ops.cast(ops.reshape(normed, (-1, height, width, channels)), self.compute_dtype)

    def plain_weights(self) -> list[NDArray[np.float32]]:
        """Return the weights of the `keras.layers.BatchNormalization` that computes the same."""
        return [np.tile(weight, NUM_ELEMENTS) for weight in self.norm.get_weights()]


def _sources(*, lifting: bool) -> NDArray[np.intp]:
    """Return where in the kernel learnt the turned one's values stand: (9, in, 8 out).

    The kernel's first three axes count as one. Orientation `out` has the kernel's pixels turned by
    its element; of features, it has its orientations in another order too: `in` is to `out` what
    `out`⁻¹ `in` is to the orientation learnt.
    """
    pixels = np.arange(SIDE * SIDE).reshape(1, SIDE, SIDE)
    kernels = [symmetries.turn(pixels, element) for element in range(NUM_ELEMENTS)]
    turned = np.reshape(kernels, (NUM_ELEMENTS, -1))
    if lifting:
        return turned.T[:, np.newaxis]
    products = turned[:, turned]  # [a, b]: the pixels turned by a, then by b
    is_product = (products[:, :, np.newaxis] == turned).all(axis=-1)  # [a, b, c]: b a = c
    quotients = is_product.argmax(axis=0)  # [b, c]: b⁻¹ c
    sources: NDArray[np.intp] = turned.T[:, np.newaxis] * NUM_ELEMENTS + quotients.T
    return sources
