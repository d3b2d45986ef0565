"""Feeds a network: each batch is a pure function of seed and step, so any step can be repeated.

The caller chooses the patches and the augmentation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from metastasis.base import chance
from metastasis.patches.shards import Patches, Places, UInt8
from metastasis.train.workers import ALONE, Worker

Floats = NDArray[np.float32]
Augment = Callable[[UInt8, np.random.Generator], UInt8]

NUM_AHEAD = 4  # batches made in advance while the network is busy


@dataclass(frozen=True, eq=False)
class Feed:
    """Shuffled, augmented batches of the patches at `places`, with labels of (n,) float32.

    Of each batch, the worker's share is read and augmented, and nothing else.
    """

    patches: Patches
    places: Places
    labels: Floats
    batch_size: int
    seed: int
    augment: Augment
    worker: Worker = ALONE

    @property
    def num_steps(self) -> int:
        """The number of batches per epoch; remaining patches are used in another epoch's order."""
        return len(self.labels) // self.batch_size

    def batch(self, step: int) -> tuple[UInt8, Floats]:
        """Return the share of batch number `step`, counted over all epochs.

        It consists of n patches and their (n, 1) labels.
        """
        batch, random = self.drawn(step)
        chosen = batch[self.worker.share(self.batch_size)]
        patches = self.patches.take(self.places[chosen])
        return self.augment(patches, random), self.labels[chosen, np.newaxis]

    def drawn(self, step: int) -> tuple[NDArray[np.integer], np.random.Generator]:
        """Return the numbers of the patches in batch `step`, and what draws their changes."""
        epoch, number = divmod(int(step), self.num_steps)
        start = number * self.batch_size
        batch = _order(len(self.labels), self.seed, epoch)[start : start + self.batch_size]
        return batch, chance.generator(self.seed, epoch, number)

    @staticmethod
    def to_patches(patches: tf.Tensor) -> tf.Tensor:
        """Return the patches of a batch, which are ready."""
        return patches

    def epoch(self, number: int) -> tf.data.Dataset:
        """Return the batches of one epoch in order, made in parallel while the network trains."""
        return epoch(number, self.num_steps, self._shaped)

    def _shaped(self, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # With a stateful function, deterministic TensorFlow would make one batch at a time.
        patches, labels = tf.numpy_function(
            self.batch, [step], [tf.uint8, tf.float32], stateful=False
        )
        num = self.batch_size // self.worker.num
        patches.set_shape((num, self.patches.size, self.patches.size, 3))
        labels.set_shape((num, 1))
        return patches, labels


def epoch(
    number: int, num_steps: int, make: Callable[[tf.Tensor], tuple[Any, tf.Tensor]]
) -> tf.data.Dataset:
    """Return what `make` makes of each step of an epoch, in order and in parallel."""
    steps = tf.data.Dataset.range(number * num_steps, (number + 1) * num_steps)
    batches = steps.map(make, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(NUM_AHEAD)


def in_order(patches: Patches, places: Places, batch_size: int) -> tf.data.Dataset:
    """Return the patches at `places` unchanged, in batches of one size.

    The last batch is filled up with the first patches: several devices can't share a remainder.
    """

    def batch(start: int) -> UInt8:
        return patches.take(places[np.arange(start, start + batch_size) % len(places)])

    def shaped(start: tf.Tensor) -> tf.Tensor:
        loaded = tf.numpy_function(batch, [start], tf.uint8)
        loaded.set_shape((batch_size, patches.size, patches.size, 3))
        return loaded

    starts = tf.data.Dataset.range(0, len(places), batch_size)
    return starts.map(shaped).prefetch(NUM_AHEAD)


@lru_cache(maxsize=1)
def _order(num: int, seed: int, epoch: int) -> NDArray[np.integer]:
    return chance.generator(seed, epoch).permutation(num)
