"""Measure the cost of feeding per epoch, and the memory for training on all of Kaggle's patches.

The default network trains on 220,025 patches. It alternates between steps on fed batches and as
many steps on one fixed batch. The difference in time is due to waiting for batches, or to sharing
the processor with making them. The shards are sparse files of zeros: they take no space on disk,
but as much memory as real ones. All are read before memory is measured.
"""

import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from metastasis.base import params
from metastasis.patches import shards
from metastasis.train import devices, train_params, training

NUM_PATCHES = 220_025
NUM_ROUNDS = 9
NUM_STEPS = 40  # per round


def write_shards(folder: Path) -> None:
    places = np.arange(NUM_PATCHES)
    index = pd.DataFrame({"shard": places // shards.SHARD_ROWS, "row": places % shards.SHARD_ROWS})
    for number, rows in enumerate(index.groupby("shard").size()):
        shape = (rows, shards.PATCH_SIZE, shards.PATCH_SIZE, 3)
        np.lib.format.open_memmap(folder / f"{number:03d}.npy", "w+", np.uint8, shape)
    shards.write_index(folder, index.assign(pool="labelled", id=places.astype(str)))


def seconds(network: keras.Model, batches: tf.data.Dataset) -> float:
    start = time.perf_counter()
    network.fit(batches, shuffle=False, verbose=0)
    return time.perf_counter() - start


def memory(name: str) -> float:
    """Return a figure of this process in GB, as Linux counts it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e6


def main() -> None:
    chosen = params.read_some("train", train_params.Recipe)
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()  # as in training
    with tempfile.TemporaryDirectory() as name:
        write_shards(Path(name))
        patches = shards.read(Path(name))
        feed = training.make_feed(chosen, patches, patches.index.assign(label=0), 0)
        policy = devices.policy(chosen.precision)
        network = training.compiled_network(chosen, patches.size, feed.num_steps, policy)
        same = tf.data.Dataset.from_tensors(feed.batch(0)).repeat(NUM_STEPS)
        for batches in (same, feed.epoch(0).take(1)):  # tracing, not timed
            seconds(network, batches)
        ratios = [
            seconds(network, feed.epoch(number).take(NUM_STEPS)) / seconds(network, same)
            for number in range(NUM_ROUNDS)
        ]
        for number in range(feed.num_steps):  # afterwards every patch has been read
            feed.batch(number)
    print(
        f"{NUM_ROUNDS} rounds of {NUM_STEPS} steps, {chosen.model}: fed / one batch "
        f"{min(ratios):.3f} {statistics.median(ratios):.3f} {max(ratios):.3f} (min median max)\n"
        f"{NUM_PATCHES:,} patches: {memory('RssAnon'):.1f} GB of private memory, and "
        f"{memory('RssFile'):.1f} GB of files, which the system takes back when it needs them"
    )


if __name__ == "__main__":
    main()
