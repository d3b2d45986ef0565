"""How fast a training step is, in patches a CPU second.

The ways take turns on the same batch of noise. `A, Keras` is network A of Keras's own layers in
float32; `A` computes the same function in the layers and the precision that `train` uses.
"""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from metastasis import devices, models, training

NUM_ROUNDS = 9
BATCH_SIZE = 64
WAYS = {
    "A, Keras": ("baseline", models.PLAIN, "float32"),
    "A": ("baseline", training.PARTS["baseline"], "auto"),
    "compact": ("compact", training.PARTS["compact"], "auto"),
    "p4m": ("p4m", training.PARTS["p4m"], "auto"),
}


def compiled(name: str, parts: models.Parts, precision: devices.Precision) -> keras.Model:
    keras.config.set_dtype_policy(devices.policy(precision))
    network = models.to_logits(models.build(name, 96, parts))
    keras.config.set_dtype_policy("float32")
    network.compile(keras.optimizers.Adam(5e-4), keras.losses.BinaryCrossentropy(from_logits=True))
    return network


def main() -> None:
    random = np.random.default_rng(0)
    patches = tf.constant(random.integers(0, 256, (BATCH_SIZE, 96, 96, 3), np.uint8))
    labels = tf.constant(random.integers(0, 2, (BATCH_SIZE, 1)).astype(np.float32))
    networks = {name: compiled(*way) for name, way in WAYS.items()}
    for network in networks.values():
        network.train_on_batch(patches, labels)  # traced, and not timed
    rates: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(NUM_ROUNDS):
        for name, network in networks.items():
            start = time.process_time()
            network.train_on_batch(patches, labels)
            rates[name].append(BATCH_SIZE / (time.process_time() - start))
    print(
        f"{NUM_ROUNDS} rounds, batch {BATCH_SIZE}, patches a CPU second: min median max; beside A"
    )
    for name, found in rates.items():
        ratio = statistics.median(
            mine / other for mine, other in zip(found, rates["A, Keras"], strict=True)
        )
        print(
            f"{name:10} {min(found):6.0f} {statistics.median(found):6.0f} {max(found):6.0f}  "
            f"{ratio:.2f}"
        )


if __name__ == "__main__":
    main()
