"""Averages a network's weights while it trains."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class Average:
    """Keeps an exponential moving average of all weights, including the batch norms' statistics.

    Its horizon is 1 / (1 - decay) steps, or a ninth of the steps so far if that is shorter, so that
    short runs are averaged too (Polyak and Juditsky 1992; the warm-up as in TensorFlow's
    `ExponentialMovingAverage`). Keras's own average omits weights without gradients.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        self._weights = [weight.value for weight in network.weights]
        self._values = [tf.Variable(value) for value in self._weights]
        self._iterations = network.optimizer.iterations.value
        self._decay = decay

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Return the averages in the order of the network's weights."""
        return [value.numpy() for value in self._values]

    def set_weights(self, values: Sequence[NDArray[np.float32]]) -> None:
        """Continue from these averages."""
        for variable, value in zip(self._values, values, strict=True):
            variable.assign(value)

    def move(self) -> None:
        """Move the averages towards the weights, after a step."""
        step = tf.cast(self._iterations, tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + step) / (10 + step))
        for value, weight in zip(self._values, self._weights, strict=True):
            value.assign((1 - share) * value + share * weight)
