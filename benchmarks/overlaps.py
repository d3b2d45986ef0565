"""How long overlapping patches take to find, how much memory that takes, and how many are missed.

Patches of tissue-like noise are cut from areas of 256 pixels a side at offsets of multiples of 16,
as Kaggle's are, about half of them so that they overlap others of their area. With --apart, patches
of drawn tissue are used instead, none of which overlap: every pair found is false.

Usage: python benchmarks/overlaps.py [NUM_PATCHES ...] [--apart]
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.demo import rendering, specimens, textures, tissue
from metastasis.ingest import overlapping
from metastasis.patches import shards
from metastasis.patches.shards import PATCH_SIZE

SIDE = 256  # of an area, pixels
STEP = 16  # pixels
MAX_CUT = 8  # patches of an area
PER_SLIDE = 50  # drawn patches
NUM_NOISES = 16  # areas are noise, each shifted and turned: drawing new noise would take longest


def noises(random: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Return large fields of noise that look as coarse as tissue does."""
    found = []
    for _ in range(NUM_NOISES):
        smooth = cv2.GaussianBlur(random.normal(size=(2048, 2048, 3)), (0, 0), 1.5)
        found.append(np.asarray(np.clip(150 + 60 * smooth / smooth.std(), 0, 255), np.uint8))
    return found


def cut(
    area: NDArray[np.uint8], random: np.random.Generator
) -> tuple[list[NDArray[np.uint8]], list[tuple[int, int]]]:
    """Return some patches of an area, at different places, and their corners."""
    places = np.arange(0, SIDE - PATCH_SIZE + 1, STEP)
    every = [(int(y), int(x)) for y in places for x in places]
    chosen = random.permutation(len(every))[: random.integers(1, MAX_CUT + 1)]
    corners = [every[number] for number in chosen]
    return [area[y : y + PATCH_SIZE, x : x + PATCH_SIZE] for y, x in corners], corners


def num_overlaps(corners: list[tuple[int, int]]) -> int:
    """Return how many pairs share a square of the size that is found, at least."""
    limit = PATCH_SIZE - overlapping.MIN_OVERLAP
    return sum(
        abs(one[0] - other[0]) <= limit and abs(one[1] - other[1]) <= limit
        for number, one in enumerate(corners)
        for other in corners[:number]
    )


def write(folder: Path, num_patches: int) -> tuple[pd.DataFrame, int]:
    """Write shards of that many patches; return their index, and how many pairs overlap."""
    random = np.random.default_rng(0)
    fields = noises(random)
    writer = shards.Writer(folder, PATCH_SIZE)
    tables, num_pairs, num_written = [], 0, 0
    while num_written < num_patches:
        field = fields[random.integers(NUM_NOISES)]
        y, x = random.integers(0, field.shape[0] - SIDE, 2)
        # Another contrast makes another area of the same noise, so that areas share no pixels.
        area = cv2.LUT(field[y : y + SIDE, x : x + SIDE], curve(random))
        patches, corners = cut(np.asarray(area, np.uint8), random)
        tables.append(writer.extend(np.stack(patches)))
        num_pairs += num_overlaps(corners)
        num_written += len(patches)
    writer.close()
    index = pd.DataFrame(np.concatenate(tables), columns=shards.PLACE)
    return index, num_pairs


def write_apart(folder: Path, num_patches: int) -> tuple[pd.DataFrame, int]:
    """Write shards of drawn patches, 50 of each slide; return their index, and 0 pairs."""
    writer = shards.Writer(folder, PATCH_SIZE)
    middle = shards.centre(textures.FIELD, PATCH_SIZE)
    tables = []
    for slide in range(-(-num_patches // PER_SLIDE)):
        random = np.random.default_rng(slide)
        specimen, look = specimens.sample(random), rendering.sample_look(random)
        patches = []
        for number in range(PER_SLIDE):
            has_tumour = number % 2 == 0
            stains, _ = tissue.draw(
                specimen, is_positive=has_tumour, has_tumour=has_tumour, rng=random
            )
            patches.append(rendering.render(stains, look, random)[middle, middle])
        tables.append(writer.extend(np.stack(patches)))
    writer.close()
    return pd.DataFrame(np.concatenate(tables), columns=shards.PLACE), 0


def curve(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a monotonous change of 256 values that differs from any other in most of them."""
    steps = random.uniform(0.2, 1.8, 256)
    return np.asarray(np.cumsum(steps) / steps.sum() * 255, np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("num_patches", type=int, nargs="*", default=[2_000, 20_000])
    parser.add_argument("--apart", action="store_true", help="drawn patches that don't overlap")
    arguments = parser.parse_args()
    draw = write_apart if arguments.apart else write
    for num_patches in arguments.num_patches:
        with tempfile.TemporaryDirectory() as name:
            index, expected = draw(Path(name), num_patches)
            index = index.assign(pool="labelled", id=index.index.astype("str"))
            shards.write_index(Path(name), index)
            start, busy = time.perf_counter(), time.process_time()
            found = overlapping.find(shards.read(Path(name)), shards.places(index))
            seconds, cpu = time.perf_counter() - start, time.process_time() - busy
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{len(index):,} patches: {seconds:.1f} s, {cpu:.1f} CPU s, {memory:.1f} GB at most "
            f"(mapped patches too), {len(found):,} of {expected:,} pairs found"
        )


if __name__ == "__main__":
    main()
