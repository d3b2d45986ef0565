"""Feeds a network: every batch is a pure function of seed and step, so that any step can be redone.

Which patches train, and how they are changed, the caller says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from metastasis.shards import Patches, UInt8

Floats = NDArray[np.float32]
Augment = Callable[[UInt8, np.random.Generator], UInt8]
Load = Callable[[int], tuple[UInt8, Floats]]

NUM_AHEAD = 4  # batches made while the network is busy


@dataclass(frozen=True, eq=False)
class Feed:
    """Shuffled, augmented batches of the patches at (shard, row), with labels of (n,) float32."""

    patches: Patches
    shard: NDArray[np.integer]
    row: NDArray[np.integer]
    labels: Floats
    batch_size: int
    seed: int
    augment: Augment

    @property
    def num_steps(self) -> int:
        """Batches an epoch; what is left over waits for another epoch's order."""
        return len(self.labels) // self.batch_size

    def batch(self, step: int) -> tuple[UInt8, Floats]:
        """Return batch number `step`, counted over all epochs: patches and (batch, 1) labels."""
        epoch, number = divmod(int(step), self.num_steps)
        start = number * self.batch_size
        chosen = _order(len(self.labels), self.seed, epoch)[start : start + self.batch_size]
        patches = self.patches.gather(self.shard[chosen], self.row[chosen])
        random = _chance(self.seed, epoch, number)
        return self.augment(patches, random), self.labels[chosen, np.newaxis]

    def epoch(self, number: int) -> tf.data.Dataset:
        """Return the batches of one epoch in order, made ahead while the network trains."""
        start = number * self.num_steps
        steps = tf.data.Dataset.range(start, start + self.num_steps)
        return _loaded(steps, self.batch, self.patches.size, self.batch_size)


def in_order(
    patches: Patches, places: pd.DataFrame, labels: Floats, batch_size: int
) -> tf.data.Dataset:
    """Return the patches at `places` (shard, row) with labels (n,) as they are, in batches."""

    def batch(start: int) -> tuple[UInt8, Floats]:
        chosen = slice(int(start), int(start) + batch_size)
        return patches.take(places.iloc[chosen]), labels[chosen, np.newaxis]

    starts = tf.data.Dataset.range(0, len(labels), batch_size)
    return _loaded(starts, batch, patches.size, None)


def _loaded(
    numbers: tf.data.Dataset, load: Load, size: int, batch_size: int | None
) -> tf.data.Dataset:
    """Return what `load` gives for each number, a few batches ahead of their use."""

    def shaped(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        patches, labels = tf.numpy_function(load, [number], [tf.uint8, tf.float32])
        patches.set_shape((batch_size, size, size, 3))
        labels.set_shape((batch_size, 1))
        return patches, labels

    return numbers.map(shaped).prefetch(NUM_AHEAD)


@lru_cache(maxsize=1)
def _order(num: int, seed: int, epoch: int) -> NDArray[np.integer]:
    return _chance(seed, epoch).permutation(num)


def _chance(seed: int, *key: int) -> np.random.Generator:
    # As entropy, [seed, epoch] and [seed, epoch, 0] would give one stream; as keys they differ.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
