"""Trains a network by steps, the same way on one device, several GPUs or several machines.

A step is Keras's own `train_step` under TensorFlow's strategy. Keras's `fit` would do the same, but
not on several machines (keras-team/keras#20585). `fitting` decides how many epochs there are.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from metastasis.train.averaging import Average

Row = dict[str, float]
ToPatches = Callable[[Any], tf.Tensor]


class Steps:
    """The training steps of a compiled network under its strategy, and the average of its weights.

    `class_weights` weigh the losses of patches labelled 0 and 1. `to_patches` makes the patches of
    a batch, as a part of the step.
    """

    def __init__(
        self,
        network: keras.Model,
        average_decay: float,
        class_weights: Sequence[float] | None,
        to_patches: ToPatches,
    ) -> None:
        self._network = network
        self._class_weights = class_weights
        self._to_patches = to_patches
        self._strategy = network.distribute_strategy
        self._step = tf.function(self._take, autograph=False)
        with self._strategy.scope():
            self.average = Average(network, average_decay)

    def epoch(self, batches: tf.data.Dataset, after_step: Callable[[], object]) -> Row:
        """Train on `batches`, up to the first loss that is not finite; return the epoch's metrics.

        A batch holds what `to_patches` makes (n, size, size, 3) patches of, and (n, 1) labels.
        """
        with self._strategy.scope():
            self._network.reset_metrics()
            for batch in self._distributed(batches):
                loss = self._step(*batch)
                after_step()
                if not np.isfinite(loss):
                    break
            metrics = self._network.get_metrics_result()
        return {name: float(value) for name, value in metrics.items()}

    def _distributed(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Return the batches divided among the devices."""
        if isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy):
            # Each machine's feed already holds its own share alone.
            return self._strategy.distribute_datasets_from_function(lambda _: batches)
        return self._strategy.experimental_distribute_dataset(batches)

    def _take(self, inputs: Any, labels: tf.Tensor) -> tf.Tensor:  # noqa: ANN401  # of `to_patches`
        """Take one step; return the mean of the epoch's losses so far."""
        loss = self._strategy.run(self._learn, args=(inputs, labels))
        self.average.move()
        return self._strategy.reduce(tf.distribute.ReduceOp.MEAN, loss, axis=None)

    def _learn(self, inputs: Any, labels: tf.Tensor) -> tf.Tensor:  # noqa: ANN401  # the same
        patches, weights = self._to_patches(inputs), None
        if self._class_weights:
            weights = tf.gather(self._class_weights, tf.cast(labels[:, 0], tf.int32))
        return self._network.train_step((patches, labels, weights))["loss"]
