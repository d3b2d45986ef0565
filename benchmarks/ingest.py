"""Measure how fast one core ingests images, compared with reading and hashing and common loops.

The methods alternate on the same files, in CPU seconds of this process. `--source` takes a folder
in Kaggle's layout instead of random noise.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tifffile

from metastasis.formats import images
from metastasis.formats.images import Frames
from metastasis.formats.kaggle_folder import KaggleFolder

NUM_IMAGES = 2048
NUM_ROUNDS = 9
CHUNK_ROWS = 256  # as in `ingesting`
BUFFER = np.zeros((NUM_IMAGES, *images.PATCH_SHAPE), np.uint8)
UNCOMPRESSED = (cv2.IMWRITE_TIFF_COMPRESSION, 1)  # as in Kaggle's data


def read_and_hash(folder: Path) -> None:
    for path in paths(folder):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # the floor: nothing around it
            sha1(file.read())


def ingest(folder: Path) -> None:
    source = KaggleFolder(folder)
    entries = source.entries()[:NUM_IMAGES]
    frames = Frames()
    for start in range(0, len(entries), CHUNK_ROWS):
        chunk = entries[start : start + CHUNK_ROWS]
        found = images.inspect(source.read(chunk), BUFFER, frames)
        if len(found.patches) < len(chunk):
            raise ValueError(f"{folder} holds images that are not patches")


def naive(folder: Path) -> None:
    for path in paths(folder):
        content = cv2.imread(path)
        if content is None:
            raise ValueError(f"{path} can't be decoded")
        image = cv2.cvtColor(content, cv2.COLOR_BGR2RGB)
        sha1(image.tobytes())
        image.mean(axis=(0, 1))
        image.std(axis=(0, 1))


def pack(folder: Path) -> None:
    """Only read and decode into an array."""
    source = KaggleFolder(folder)
    entries = source.entries()[:NUM_IMAGES]
    frames = Frames()
    for content, patch in zip(source.read(entries), BUFFER, strict=False):
        images.look(content, patch, frames)


def pack_by_tifffile(folder: Path) -> None:
    for path, patch in zip(paths(folder), BUFFER, strict=False):
        patch[...] = tifffile.imread(path)


WAYS = (read_and_hash, ingest, naive, pack, pack_by_tifffile)
RATIOS = (("ingest", "read_and_hash"), ("ingest", "naive"), ("pack", "pack_by_tifffile"))


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def paths(folder: Path) -> list[str]:
    names = sorted(os.listdir(folder / "train"))  # noqa: PTH208  # text, which OpenCV takes
    return [f"{folder}/train/{name}" for name in names[:NUM_IMAGES]]


def rate(way: Callable[[Path], None], folder: Path, count: int) -> float:
    start = time.process_time()
    way(folder)
    return count / (time.process_time() - start)


def draw(folder: Path) -> None:
    random = np.random.default_rng(0)
    (folder / "train").mkdir()
    for number in range(NUM_IMAGES):
        patch = random.integers(0, 256, (96, 96, 3), np.uint8)
        cv2.imwrite(str(folder / "train" / f"{number}.tif"), patch, UNCOMPRESSED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path)
    chosen = parser.parse_args().source
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as drawn:
        folder = chosen or Path(drawn)
        if chosen is None:
            draw(folder)
        count = len(paths(folder))  # NUM_IMAGES, unless the source is smaller
        rates = {way.__name__: [0.0] * NUM_ROUNDS for way in WAYS}
        for number in range(NUM_ROUNDS):
            for way in WAYS:
                rates[way.__name__][number] = rate(way, folder, count)
    print(f"{count:,} images, {NUM_ROUNDS} rounds; images per CPU second and core: min median max")
    for name, values in rates.items():
        print(f"{name:16} {spread(values, ',.0f')}")
    for mine, other in RATIOS:
        ratios = [a / b for a, b in zip(rates[mine], rates[other], strict=True)]
        print(f"{mine} / {other}: {spread(ratios, '.2f')}")


def spread(values: list[float], form: str) -> str:
    return " ".join(f"{f(values):{form}}" for f in (min, statistics.median, max))


if __name__ == "__main__":
    main()
