"""Makes the optimiser and its learning rate, which decide how a step changes the weights.

`training` chooses the data and the number of steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from metastasis.train.train_params import Optimizer, Schedule

FINAL_RATE = 0.01  # of the learning rate, at the end of the cosine schedule
PLATEAU_FACTOR = 0.5  # of the learning rate, after a plateau
PLATEAU_EPOCHS = 3  # epochs without a better validation score

MATRIX_RANK = 2


@dataclass(frozen=True)
class Body:
    """The weights of a network that are known before training, and how slowly they change."""

    variables: Sequence[keras.Variable]
    rate: float  # as a share of the learning rate
    num_frozen_steps: int  # at the start, while the head learns what the body gives


class _SlowBody(keras.optimizers.Optimizer):
    """What an optimiser needs to change some variables with a share of the learning rate."""

    _slow: frozenset[int] = frozenset()

    def slow(self, body: Body) -> None:
        """Change the variables of `body` slowly. The optimiser has to be built."""
        self._slow = frozenset(map(self._get_variable_index, body.variables))
        self._body = body

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Change one variable by its gradient, and let it decay if it is slow."""
        if self._get_variable_index(variable) in self._slow:
            is_thawed = self.iterations >= self._body.num_frozen_steps
            learning_rate *= self._body.rate * ops.cast(is_thawed, learning_rate.dtype)
            if self._use_weight_decay(variable):
                decay = ops.cast(self.weight_decay * learning_rate, variable.dtype)
                self.assign_sub(variable, variable * decay)
        super().update_step(gradient, variable, learning_rate)

    def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
        """Let the other variables decay, with the whole learning rate."""
        super()._apply_weight_decay(
            [each for each in variables if self._get_variable_index(each) not in self._slow]
        )


class AdamW(_SlowBody, keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter 2019), which can change a network's body slowly."""


class ConvolutionMuon(_SlowBody, keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for kernels of convolutions, and AdamW for all other weights.

    Muon makes each step orthogonal: it changes all directions of a kernel by the same amount. A
    kernel counts as a matrix of inputs by filters, which Keras's Muon leaves to subclasses. Steps
    are scaled as in Liu et al. 2025, so that learning rates and decays of AdamW suit both.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        is_depthwise = variable.shape[-1] == 1
        return len(variable.shape) <= MATRIX_RANK or is_depthwise

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        """Return approximately the nearest orthogonal matrix to a kernel, in the kernel's shape."""
        return ops.reshape(super().zeropower_via_newtonschulz5(_as_matrix(x), steps), x.shape)

    def lr_adjust(self, x: tf.Tensor) -> tf.Tensor:
        """Return a kernel's step, scaled by the kernel's size as a matrix."""
        return ops.reshape(super().lr_adjust(_as_matrix(x)), x.shape)


def _as_matrix(kernel: tf.Tensor) -> tf.Tensor:
    return ops.reshape(kernel, (-1, kernel.shape[-1]))


def optimizer(
    name: Optimizer,
    learning_rate: float,
    schedule: Schedule,
    *,
    num_steps: int,
    num_warmup_steps: int,
    weight_decay: float,
) -> keras.optimizers.Optimizer:
    """Return Muon or AdamW (Loshchilov and Hutter 2019); only kernels decay, not biases or norms.

    With the cosine schedule the rate rises linearly for `num_warmup_steps` and falls to 1 % at
    `num_steps`.
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
    if name == "muon":
        chosen = ConvolutionMuon(rate, weight_decay=weight_decay, adam_weight_decay=weight_decay)
    else:
        chosen = AdamW(rate, weight_decay=weight_decay)
    chosen.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return chosen


def plateau_rate(learning_rate: float, scores: Sequence[float]) -> float:
    """Return the rate after epochs with these scores; every third idle epoch in a row halves it."""
    best, num_idle = -np.inf, 0
    for score in scores:
        num_idle = 0 if score > best else num_idle + 1
        best = max(best, score)
        if num_idle == PLATEAU_EPOCHS:
            learning_rate *= PLATEAU_FACTOR
            num_idle = 0
    return learning_rate
