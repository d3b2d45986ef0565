"""Feeds a network from patches that stay in the memory of its device, which also augments them.

A batch is `feeding`'s batch of the same number: the same patches, changed in the same way but for
rounding. Only the patches' numbers and what was drawn for them cross to the device.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from metastasis.base.errors import InputError
from metastasis.train import augmenting, device_augmenting, feeding
from metastasis.train.train_params import Recipe

NO_ROOM = "Dst tensor is not initialized"  # what TensorFlow says of a copy to a GPU that is full
Inputs = dict[str, tf.Tensor]  # a batch before the device has made its patches


class ResidentFeed:
    """The batches of a feed, made on the device.

    Raises:
        InputError: the patches don't fit into the device's memory.
    """

    def __init__(self, feed: feeding.Feed, params: Recipe) -> None:
        self.num_steps, self.batch_size = feed.num_steps, feed.batch_size
        self.labels, self.worker = feed.labels, feed.worker
        self._feed, self._params = feed, params
        self._stored = _stored(feed)
        drawn = self._drawn(0)
        self._names = list(drawn)
        self._specs = [tf.TensorSpec(array.shape, array.dtype) for array in drawn.values()]

    def epoch(self, number: int) -> tf.data.Dataset:
        """Return what the batches of one epoch are made of, in order: (inputs, labels)."""
        return feeding.epoch(number, self.num_steps, self._shaped)

    def to_patches(self, inputs: Inputs) -> tf.Tensor:
        """Return the (n, size, size, 3) uint8 patches of a batch, on the device."""
        size = self._feed.patches.size
        chosen = tf.bitcast(tf.gather(self._stored, inputs["chosen"]), tf.uint8)
        patches = tf.reshape(chosen, (self.batch_size, size, size, 3))
        return device_augmenting.change(patches, inputs, self._params.geometry)

    def _drawn(self, step: int) -> dict[str, Any]:
        batch, random = self._feed.drawn(step)
        size = self._feed.patches.size
        changes = augmenting.draw(random, len(batch), size, self._params)
        arrays = device_augmenting.prepared(changes, self._params.focus_jitter)
        return {"chosen": batch.astype(np.int64), "labels": self.labels[batch, np.newaxis]} | arrays

    def _shaped(self, step: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        arrays = tf.numpy_function(
            lambda step: list(self._drawn(step).values()),
            [step],
            [spec.dtype for spec in self._specs],
            stateful=False,
        )
        for array, spec in zip(arrays, self._specs, strict=True):
            array.set_shape(spec.shape)
        inputs = dict(zip(self._names, arrays, strict=True))
        return inputs, inputs.pop("labels")


def _stored(feed: feeding.Feed) -> tf.Tensor:
    """Return the feed's patches on the device: (n, size * size * 3 / 4).

    Four bytes are one float, because TensorFlow gathers no bytes on GPUs. An even side makes whole
    floats.
    """
    patches = feed.patches.take(feed.places)
    try:
        return tf.constant(patches.reshape(len(patches), -1).view(np.float32))
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
        if isinstance(error, tf.errors.InternalError) and NO_ROOM not in str(error):
            raise
        raise InputError(
            f"train: the {len(patches):,} training patches ({patches.nbytes / 1e9:.1f} GB) don't "
            "fit into the memory of the GPU: choose train.feed: host."
        ) from None
