"""Tests of `train.averaging`: the moving average of a network's weights."""

import keras
import numpy as np
import pytest

from metastasis.train import averaging


def averaged(decay: float, steps: list[float], start: int = 0) -> list[float]:
    """Return the average of a weight that begins at 1 and takes these values step by step."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.set_weights([np.array([[1]], np.float32)])
    network.compile(keras.optimizers.SGD())
    network.optimizer.build(network.trainable_variables)
    average = averaging.Average(network, decay)
    found = []
    for number, value in enumerate(steps, start + 1):
        network.set_weights([np.array([[value]], np.float32)])
        network.optimizer.iterations.assign(number)
        average.move()
        found.append(float(average.get_weights()[0][0, 0]))
    return found


def test_the_average_starts_with_a_short_horizon() -> None:
    # After step 1 the decay is 2 / 11, after step 2 it is 3 / 12.
    first = 1 * 2 / 11 + 3 * 9 / 11
    assert averaged(0.999, [3, 5]) == pytest.approx([first, first * 3 / 12 + 5 * 9 / 12])


def test_after_many_steps_the_average_has_its_own_decay() -> None:
    assert averaged(0.9, [3], start=1000) == pytest.approx([1 * 0.9 + 3 * 0.1])


def test_without_decay_the_average_is_the_weight_to_the_bit() -> None:
    values = np.random.default_rng(0).normal(size=20).astype(np.float32).tolist()
    assert averaged(0.0, values) == values
