"""Measure how many patches a second the network trains on with each feed, on this device.

Rounds alternate between one batch that stays in memory (the limit), batches that the CPU prepares
(`train.feed: host`) and batches that the device makes itself (`train.feed: device`), each with some
of the processor's cores. The patches are noise. The rest of the recipe is that of params.yaml.

Usage: python benchmarks/feeds.py [--geometry rotation] [--batch-size 256] [--cores 16 4 2]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from metastasis.base import params
from metastasis.patches import shards
from metastasis.train import devices, feeding, resident, stepping, train_params, training

NUM_PATCHES = 20_000
NUM_ROUNDS = 3
NUM_STEPS = 40  # per round

Way = Callable[[int], object]  # trains for the steps of a round


def write_patches(folder: Path) -> None:
    shape = (NUM_PATCHES, shards.PATCH_SIZE, shards.PATCH_SIZE, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    places = np.arange(NUM_PATCHES)
    index = pd.DataFrame({"shard": places // shards.SHARD_ROWS, "row": places % shards.SHARD_ROWS})
    for number, rows in index.groupby("shard"):
        np.save(folder / f"{number:03d}.npy", noise[rows.index])
    shards.write_index(folder, index.assign(pool="labelled", id=places.astype(str)))


def make_ways(recipe: train_params.Recipe, patches: shards.Patches) -> dict[str, Way]:
    host = training.make_feed(recipe, patches, patches.index.assign(label=0), 0)
    device = resident.ResidentFeed(host, recipe)
    same = tf.data.Dataset.from_tensors(host.batch(0)).repeat(NUM_STEPS).prefetch(1)
    policy = devices.policy(recipe.precision)

    def way(feed: feeding.Feed | resident.ResidentFeed, epoch: Way) -> Way:
        network = training.compiled_network(recipe, patches.size, host.num_steps, policy)
        steps = stepping.Steps(network, recipe.average_decay, None, feed.to_patches)
        return lambda number: steps.epoch(epoch(number), lambda: None)

    return {
        "one batch": way(host, lambda _: same),
        "host": way(host, lambda number: host.epoch(number).take(NUM_STEPS)),
        "device": way(device, lambda number: device.epoch(number).take(NUM_STEPS)),
    }


def use(num_cores: int) -> None:
    """Let all threads of this process, also those of TensorFlow, run on the first cores only."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), range(num_cores))


def measure(way: Way, number: int) -> float:
    start = time.perf_counter()
    way(number)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--geometry", default="d4")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cores", type=int, nargs="+", default=[os.cpu_count()])
    arguments = parser.parse_args()
    chosen = params.read_some("train", train_params.Recipe).model_dump()
    chosen |= {"geometry": arguments.geometry, "batch_size": arguments.batch_size}
    recipe = train_params.Recipe.model_validate(chosen)
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()  # as in training
    with tempfile.TemporaryDirectory() as name:
        write_patches(Path(name))
        ways = make_ways(recipe, shards.read(Path(name)))
        for way in ways.values():  # tracing, not timed
            way(0)
        print(f"{recipe.model}, {recipe.geometry}, {recipe.batch_size} patches a step; patches/s:")
        for num_cores in arguments.cores:
            use(num_cores)
            seconds: dict[str, list[float]] = {each: [] for each in ways}
            for number in range(1, 1 + NUM_ROUNDS):
                for each, way in ways.items():
                    seconds[each].append(measure(way, number))
            for each, found in seconds.items():
                speeds = sorted(NUM_STEPS * recipe.batch_size / second for second in found)
                low, middle, high = speeds[0], statistics.median(speeds), speeds[-1]
                print(
                    f"{num_cores} cores, {each}: {low:,.0f} {middle:,.0f} {high:,.0f} "
                    "(min median max)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
