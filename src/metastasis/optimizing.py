"""Knows how weights change: the optimiser, its learning rate, and the average of the weights.

On what they are trained, and for how long, `training` says.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

FINAL_RATE = 0.01  # of the learning rate, at the end of the cosine
PLATEAU_FACTOR = 0.5  # of the learning rate, after
PLATEAU_EPOCHS = 3  # epochs without a better validation

Schedule = Literal["cosine", "plateau", "constant"]


def optimizer(
    learning_rate: float,
    schedule: Schedule,
    *,
    num_steps: int,
    num_warmup_steps: int,
    weight_decay: float,
) -> keras.optimizers.Optimizer:
    """Return AdamW (Loshchilov and Hutter 2019), its decay on kernels, not on biases and norms.

    With a cosine the rate rises linearly for `num_warmup_steps` and falls to 1 % at `num_steps`.
    """
    rate: Any = learning_rate
    if schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if num_warmup_steps else learning_rate,
            decay_steps=num_steps - num_warmup_steps,
            alpha=FINAL_RATE,
            warmup_target=learning_rate if num_warmup_steps else None,
            warmup_steps=num_warmup_steps,
        )
    adamw = keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return adamw


def plateau_rate(learning_rate: float, scores: Sequence[float]) -> float:
    """Return the rate after epochs of these validation scores: halved at each third idle one."""
    best, num_idle = -np.inf, 0
    for score in scores:
        num_idle = 0 if score > best else num_idle + 1
        best = max(best, score)
        if num_idle == PLATEAU_EPOCHS:
            learning_rate *= PLATEAU_FACTOR
            num_idle = 0
    return learning_rate


class Average(keras.callbacks.Callback):
    """Keeps an exponential moving average of all weights, the batch norms' statistics included.

    Its horizon is 1 / (1 - decay) steps, or a ninth of the steps so far while that is shorter, so
    that short runs average too (Polyak and Juditsky 1992; the warm-up as in TensorFlow's
    `ExponentialMovingAverage`). Keras's own average leaves out what isn't trained by gradients.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        super().__init__()
        self._weights = [weight.value for weight in network.weights]
        self._values = [tf.Variable(value) for value in self._weights]
        self._iterations = network.optimizer.iterations.value
        self._decay = decay
        self._update = tf.function(self._move)

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Return the averages in the order of the network's weights."""
        return [value.numpy() for value in self._values]

    def set_weights(self, values: Sequence[NDArray[np.float32]]) -> None:
        """Go on from these averages."""
        for variable, value in zip(self._values, values, strict=True):
            variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Move the averages towards the weights."""
        self._update()

    def _move(self) -> None:
        step = tf.cast(self._iterations, tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + step) / (10 + step))
        for value, weight in zip(self._values, self._weights, strict=True):
            value.assign((1 - share) * value + share * weight)
