"""Measure how fast one core feeds augmented patches, compared with Keras's ImageDataGenerator.

The methods alternate on the same random noise, in CPU seconds of this process. ImageDataGenerator
yields float32; `feeding` yields uint8, which the networks take.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tensorflow as tf

from metastasis.base import params
from metastasis.patches import shards
from metastasis.train import augmenting, feeding, train_params

NUM_PATCHES = 4096
NUM_ROUNDS = 7
BATCH_SIZE = 64
AFFINE: dict[str, object] = {
    "rotation_range": augmenting.AFFINE_ROTATION,
    "width_shift_range": augmenting.AFFINE_SHIFT,
    "height_shift_range": augmenting.AFFINE_SHIFT,
    "shear_range": augmenting.AFFINE_SHEAR,
    "zoom_range": augmenting.AFFINE_ZOOM,
    "fill_mode": "nearest",
}
FLIPS: dict[str, object] = {"horizontal_flip": True, "vertical_flip": True}

PARAMS = params.read_some("train", train_params.Recipe, Path(__file__).parents[1] / "params.yaml")
STILL: dict[str, object] = {"stain_jitter": 0.0, "focus_jitter": 0.0}


def feed(
    patches: shards.Patches,
    changes: dict[str, object],
) -> int:
    """Make an epoch's batches under changed params; return how many patches they hold."""
    ours = feeding.Feed(
        patches=patches,
        places=shards.places(patches.index),
        labels=np.zeros(NUM_PATCHES, np.float32),
        batch_size=BATCH_SIZE,
        seed=0,
        augment=partial(augmenting.augment, params=PARAMS.model_copy(update=changes)),
    )
    return sum(len(ours.batch(step)[0]) for step in range(ours.num_steps))


def generate(patches: shards.Patches, num: int, changes: dict[str, object]) -> int:
    """Make batches of `num` patches like network A's notebook."""
    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255, **changes)
    batches = generator.flow(patches.maps[0], np.zeros(NUM_PATCHES), batch_size=BATCH_SIZE, seed=0)
    return sum(len(next(batches)[0]) for _ in range(num // BATCH_SIZE))


WAYS: dict[str, Callable[[shards.Patches], int]] = {
    "ours, affine": partial(feed, changes={"geometry": "affine"} | STILL),
    "ours, flips and turns": partial(feed, changes=STILL),
    "ours, flips, turns, stain": partial(feed, changes={"focus_jitter": 0.0}),
    "ours, the default": partial(feed, changes={}),
    "Keras, affine and flips": partial(generate, num=512, changes=AFFINE | FLIPS),
    "Keras, flips": partial(generate, num=1024, changes=FLIPS),
}
RATIOS = (
    ("ours, affine", "Keras, affine and flips"),
    ("ours, flips and turns", "Keras, affine and flips"),
    ("ours, flips and turns", "Keras, flips"),
    ("ours, flips, turns, stain", "Keras, flips"),
    ("ours, the default", "Keras, flips"),
)


def rate(way: Callable[[shards.Patches], int], patches: shards.Patches) -> float:
    """Return patches per CPU second."""
    start = time.process_time()
    return way(patches) / (time.process_time() - start)


def main() -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = shards.Writer(folder, shards.PATCH_SIZE)
        shape = (NUM_PATCHES, shards.PATCH_SIZE, shards.PATCH_SIZE, 3)
        places = writer.extend(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        writer.close()
        index = pd.DataFrame(places, columns=["shard", "row"])
        ids = [str(number) for number in range(NUM_PATCHES)]
        shards.write_index(folder, index.assign(pool="labelled", id=ids))
        patches = shards.read(folder)
        rounds = [
            {name: rate(way, patches) for name, way in WAYS.items()} for _ in range(NUM_ROUNDS)
        ]
    print(f"{NUM_ROUNDS} rounds, patches per CPU second: min median max")
    for name in WAYS:
        rates = [found[name] for found in rounds]
        print(f"{name:27} {min(rates):9,.0f} {statistics.median(rates):9,.0f} {max(rates):9,.0f}")
    for one, other in RATIOS:
        ratios = [found[one] / found[other] for found in rounds]
        print(
            f"{one} / {other}: {min(ratios):.1f} {statistics.median(ratios):.1f} {max(ratios):.1f}"
        )


if __name__ == "__main__":
    main()
