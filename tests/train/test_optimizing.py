"""Tests of `train.optimizing`: rates and averages against numbers worked out by hand."""

import keras
import numpy as np
import pytest

from metastasis.train import optimizing, train_params

pytestmark = pytest.mark.medium


@pytest.mark.parametrize(
    ("scores", "rate"),
    [
        ([], 8),
        ([0.5, 0.6, 0.7, 0.8], 8),
        ([0.9, 0.8, 0.8], 8),
        ([0.9, 0.8, 0.8, 0.9], 4),  # as good as the best is idle
        ([0.9, 0.8, 0.8, 0.91, 0.8, 0.8], 8),
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], 4),
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 2),
        ([0.9, 0.1, 0.1, 0.1, 0.95, 0.1], 4),
    ],
)
def test_a_plateau_of_three_epochs_halves_the_rate(scores: list[float], rate: float) -> None:
    assert optimizing.plateau_rate(8, scores) == rate


SHAPES = [(3, 3, 8, 16), (3, 3, 8, 2, 16), (16, 4), (16,)]


def steps_of(name: train_params.Optimizer, gradients: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return by how much the gradients, a list for each step, change weights that start at 0."""
    weights = [keras.Variable(np.zeros(shape, np.float32), name="kernel") for shape in SHAPES]
    optimizer = optimizing.optimizer(
        name, 0.01, "constant", num_steps=1, num_warmup_steps=0, weight_decay=0.1
    )
    for each in gradients:
        optimizer.apply(each, weights)
    return [weight.numpy() for weight in weights]


def test_muon_changes_each_direction_of_a_kernel_alike_and_the_rest_as_adamw_does() -> None:
    random = np.random.default_rng(0)
    gradients = [[random.normal(size=shape).astype(np.float32) for shape in SHAPES]] * 3
    muon, adamw = steps_of("muon", gradients), steps_of("adamw", gradients)
    for step, shape, gradient in zip(muon[:2], SHAPES[:2], gradients[0][:2], strict=True):
        matrix = step.reshape(-1, shape[-1])
        # Liu et al. 2025: 0.2 times the root of the longer side; three steps, less a little decay.
        scale = 3 * 0.01 * 0.2 * np.sqrt(max(matrix.shape))
        singular = np.linalg.svd(matrix, compute_uv=False)
        assert 0.65 < singular.min() / scale < singular.max() / scale < 1.25
        assert np.linalg.cond(gradient.reshape(-1, shape[-1])) > 1.5  # the gradient wasn't alike
        assert (step * gradient).sum() < 0
    for mine, other in zip(muon[2:], adamw[2:], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_kernels_decay_by_the_rate_and_biases_do_not(name: train_params.Optimizer) -> None:
    """Without a gradient, a weight of 1 keeps 1 - rate x decay."""
    kernel, dense = (
        keras.Variable(np.ones(shape, np.float32), name="kernel")
        for shape in ((3, 3, 2, 4), (4, 1))
    )
    others = [
        keras.Variable(np.ones(4, np.float32), name=name) for name in ("bias", "gamma", "beta")
    ]
    optimizer = optimizing.optimizer(
        name, 0.5, "constant", num_steps=1, num_warmup_steps=0, weight_decay=0.1
    )
    weights = [kernel, dense, *others]
    optimizer.apply([np.zeros(weight.shape, np.float32) for weight in weights], weights)
    for weight in (kernel, dense):
        np.testing.assert_allclose(weight.numpy(), 0.95)
    for weight in others:
        np.testing.assert_array_equal(weight.numpy(), 1)
