"""Measure the speed of a training step, in patches per CPU second and by the processor's limit.

The methods alternate on the same batch of noise, each on one thread. `A, Keras` is network A with
Keras's own layers in float32. `A` computes the same function with the layers and the precision of
`train`, and `A, PyTorch` in channels_last and bfloat16, if PyTorch is installed (group `bench`).
The limit is the forward speed of one wide bfloat16 convolution, which was faster than any matrix
product tried.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable
from functools import partial
from math import prod

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from metastasis import models
from metastasis.train import devices, train_params, training

NUM_ROUNDS = 9
BATCH_SIZE = 64
WIDE = (24, 256)  # the side in pixels and the channels of the convolution that gives the limit
LEARNING_RATE = 5e-4
WAYS: dict[str, tuple[str, models.Parts, train_params.Precision]] = {
    "A, Keras": ("baseline", models.PLAIN, "float32"),
    "A": ("baseline", training.parts("baseline"), "auto"),
    "compact": ("compact", training.parts("compact"), "auto"),
    "p4m": ("p4m", training.parts("p4m"), "auto"),
    **{name: (name, training.parts(name), "auto") for name in train_params.PRETRAINED},
}

Step = Callable[[], object]


def compiled(name: str, parts: models.Parts, precision: train_params.Precision) -> keras.Model:
    network = models.to_logits(models.build(name, 96, parts, devices.policy(precision)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(LEARNING_RATE), loss)
    return network


def num_operations(name: str) -> float:
    """Return the floating-point operations per step and patch: forward, and twice that backward.

    Only products count; the first layer computes no gradient towards the patch.
    """
    network = models.build(name, 96)
    counts: list[int] = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            counts.append(2 * prod(layer.kernel.shape) * prod(_sides(layer)))
        elif isinstance(layer, keras.layers.Dense):
            counts.append(2 * prod(layer.kernel.shape))
    return 3 * sum(counts) - counts[0]


def _sides(layer: keras.layers.Layer) -> tuple[int, int]:
    _, height, width, _ = layer.output.shape
    return height, width


def torch_step(patches: NDArray[np.uint8], labels: NDArray[np.float32]) -> Step:
    """Return a step of network A in PyTorch's fastest form: channels_last, bfloat16, fused Adam.

    The layers are in the notebook's order: convolution, ReLU, normalisation, pooling.
    """
    import torch  # noqa: PLC0415  # optional
    from torch import nn  # noqa: PLC0415

    torch.set_num_threads(1)
    parts: list[nn.Module] = []
    channels = 3
    for filters, dropout in ((32, 0), (64, 0.2), (128, 0.3), (256, 0.3)):
        parts += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(inplace=True)]
        parts += [nn.BatchNorm2d(filters), nn.MaxPool2d(2)]
        parts += [nn.Dropout(dropout)] if dropout else []
        channels = filters
    parts += [nn.Flatten(), nn.Linear(channels * 36, 512), nn.ReLU(), nn.BatchNorm1d(512)]
    parts += [nn.Dropout(0.5), nn.Linear(512, 1)]
    network = nn.Sequential(*parts).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
    inputs = torch.from_numpy(patches).permute(0, 3, 1, 2)  # channels last in memory, as they are
    targets = torch.from_numpy(labels)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(inputs.float() / 255)
        nn.functional.binary_cross_entropy_with_logits(logits.float(), targets).backward()
        optimizer.step()

    return step


def convolution(random: np.random.Generator) -> tuple[Step, float]:
    """Return a wide convolution and its number of floating-point operations."""
    side, channels = WIDE
    features, kernel = (
        tf.cast(random.normal(size=shape).astype(np.float32), tf.bfloat16)
        for shape in ((BATCH_SIZE, side, side, channels), (3, 3, channels, channels))
    )
    convolve = tf.function(lambda: tf.nn.conv2d(features, kernel, 1, "SAME"))
    return lambda: convolve().numpy(), 2 * BATCH_SIZE * side**2 * 9 * channels**2


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    random = np.random.default_rng(0)
    patches = random.integers(0, 256, (BATCH_SIZE, 96, 96, 3), np.uint8)
    labels = random.integers(0, 2, (BATCH_SIZE, 1)).astype(np.float32)
    inputs, targets = tf.constant(patches), tf.constant(labels)
    steps: dict[str, Step] = {}
    for name, way in WAYS.items():
        network = compiled(*way)
        steps[name] = partial(network.train_on_batch, inputs, targets)
    if importlib.util.find_spec("torch"):
        steps["A, PyTorch"] = torch_step(patches, labels)
    steps["convolution"], num_convolved = convolution(random)
    for step in steps.values():
        step()  # tracing, not timed
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(NUM_ROUNDS):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name].append(time.process_time() - start)

    limits = [num_convolved / found for found in seconds.pop("convolution")]
    print(
        f"{NUM_ROUNDS} rounds, batch {BATCH_SIZE}; the limit: "
        f"{statistics.median(limits) / 1e9:.0f} GFLOP per CPU second\n"
        "patches per CPU second: min median max; median relative to Keras's A; share of the limit"
    )
    for name, found in seconds.items():
        rates = [BATCH_SIZE / second for second in found]
        ratio = statistics.median(
            other / mine for mine, other in zip(found, seconds["A, Keras"], strict=True)
        )
        operations = num_operations(WAYS.get(name, WAYS["A"])[0])
        share = statistics.median(
            rate * operations / limit for rate, limit in zip(rates, limits, strict=True)
        )
        print(
            f"{name:18} {min(rates):6.0f} {statistics.median(rates):6.0f} {max(rates):6.0f}  "
            f"{ratio:5.2f}  {share:5.0%}"
        )


if __name__ == "__main__":
    main()
