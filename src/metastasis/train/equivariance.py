"""Training layers whose output flips and turns with their input; models are saved without them.

The layers are those of Cohen and Welling 2016 ("Group equivariant convolutional networks") for the
group p4m. Features have 8 orientations, one for each element of `symmetries`, with channels in
the order (orientation, filter). A turned patch has the same features, turned, with permuted
orientations. `models` builds networks of these layers.
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

    One orientation of each filter is learnt; the others are its kernel flipped and turned. Together
    they form one ordinary kernel, so that this is as fast as a plain convolution with as many
    `filters`, a number that counts each orientation of a filter.
    """

    def __init__(self, filters: int, name: str, *, lifting: bool = False) -> None:
        super().__init__(name=name)
        self.filters = filters
        self.sources = _sources(lifting=lifting)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the kernel: (3, 3, orientations in, filters in, filters out).

        For the initialiser of He et al. 2015, Keras computes the fan-in over all but the last axis.
        """
        orientations = self.sources.shape[1]
        filters_in, filters_out = input_shape[-1] // orientations, self.filters // NUM_ELEMENTS
        self.kernel = self.add_weight(
            (SIDE, SIDE, orientations, filters_in, filters_out),
            initializer="he_normal",
            autocast=False,  # sums the orientations' gradients in float32
            name="kernel",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolve (n, height, width, channels) with every orientation of the kernel."""
        return ops.conv(inputs, ops.cast(self._turned(), self.compute_dtype), padding="same")

    def plain_weights(self) -> list[NDArray[np.float32]]:
        """Return the weights of the equivalent `keras.layers.Conv2D`."""
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
        # With so few channels TensorFlow's bfloat16 kernel is ten times slower on a CPU.
        self.norm = FusedBatchNormalization(momentum=momentum, dtype="float32")

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the four weights of each filter."""
        self.norm.build((*input_shape[:-1], input_shape[-1] // NUM_ELEMENTS))

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:  # noqa: FBT001  # Keras's signature
        """Normalise (n, height, width, channels) as if the orientations were side by side."""
        _, height, width, channels = inputs.shape
        beside = (-1, height, width * NUM_ELEMENTS, channels // NUM_ELEMENTS)
        normed = self.norm(ops.reshape(inputs, beside), training=training)
        return ops.cast(ops.reshape(normed, (-1, height, width, channels)), self.compute_dtype)

    def plain_weights(self) -> list[NDArray[np.float32]]:
        """Return the weights of the equivalent `keras.layers.BatchNormalization`."""
        return [np.tile(weight, NUM_ELEMENTS) for weight in self.norm.get_weights()]


def _sources(*, lifting: bool) -> NDArray[np.intp]:
    """Return the indices in the learnt kernel of the turned kernels' values: (9, in, 8 out).

    The kernel's first three axes count as one. Orientation `out` has the kernel's pixels turned by
    its element. For features, the orientations are permuted too: `in` is to `out` as `out`⁻¹ `in`
    is to the learnt orientation.
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
