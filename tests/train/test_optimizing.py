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


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_the_body_stands_still_at_first_and_then_follows_with_its_share(
    name: train_params.Optimizer,
) -> None:
    """A body at a tenth of the rate moves and decays as by a tenth of the learning rate."""
    random = np.random.default_rng(0)
    gradients = [random.normal(size=(3, 3, 4, 8)).astype(np.float32) for _ in range(3)]

    def after(learning_rate: float, share: float | None, num_frozen: int) -> list[np.ndarray]:
        weights = [keras.Variable(np.ones((3, 3, 4, 8), np.float32), name="kernel") for _ in "ab"]
        optimizer = optimizing.optimizer(
            name, learning_rate, "constant", num_steps=1, num_warmup_steps=0, weight_decay=0.1
        )
        optimizer.build(weights)
        if share is not None:
            optimizer.slow(optimizing.Body(weights[:1], share, num_frozen))
        values = []
        for gradient in gradients:
            optimizer.apply([gradient, gradient], weights)
            values.append(weights[0].numpy())
        return [*values, weights[1].numpy()]

    whole, tenth = after(0.01, None, 0), after(0.001, None, 0)
    slowed, thawed = after(0.01, 0.1, 0), after(0.01, 0.1, 2)
    for mine, other in zip(slowed[:3], tenth[:3], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
    np.testing.assert_array_equal(slowed[3], whole[3])  # the head's steps are as ever
    for frozen in thawed[:2]:
        np.testing.assert_array_equal(frozen, 1)
    # The moments have followed the gradients meanwhile. The steps are of 1e-5 to 1e-3, and float32
    # rounds a weight of 1, and its decay, to 1.2e-7.
    np.testing.assert_allclose(thawed[2] - 1, tenth[2] - tenth[1], rtol=0, atol=5e-7)


def test_a_body_with_rate_zero_never_changes() -> None:
    body = keras.Variable(np.ones((3, 3, 4, 8), np.float32), name="kernel")
    optimizer = optimizing.optimizer(
        "adamw", 0.1, "constant", num_steps=1, num_warmup_steps=0, weight_decay=0.1
    )
    optimizer.build([body])
    optimizer.slow(optimizing.Body([body], 0, 0))
    optimizer.apply([np.ones((3, 3, 4, 8), np.float32)], [body])
    np.testing.assert_array_equal(body.numpy(), 1)


def test_muon_leaves_depthwise_kernels_to_adamw() -> None:
    gradient = np.random.default_rng(0).normal(size=(3, 3, 8, 1)).astype(np.float32)
    steps = []
    for name in ("muon", "adamw"):
        kernel = keras.Variable(np.zeros(gradient.shape, np.float32), name="kernel")
        optimizing.optimizer(
            name, 0.01, "constant", num_steps=1, num_warmup_steps=0, weight_decay=0.1
        ).apply([gradient], [kernel])
        steps.append(kernel.numpy())
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-5)
