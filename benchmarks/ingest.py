"""How fast one core inspects images, beside reading and hashing alone and beside a naive loop.

The three ways take turns on the same files, in CPU seconds of this process.
"""

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from metastasis import ingesting

NUM_IMAGES = 2000
NUM_ROUNDS = 7
UNCOMPRESSED = (cv2.IMWRITE_TIFF_COMPRESSION, 1)  # as Kaggle has them


def read_and_hash(path: Path) -> None:
    hashlib.sha1(path.read_bytes()).hexdigest()  # noqa: S324  # Kaggle's own id, no secret


def inspect(path: Path) -> None:
    ingesting.inspect(path.read_bytes())


def naive(path: Path) -> None:
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    hashlib.sha1(image.tobytes()).hexdigest()  # noqa: S324  # as above
    image.mean(axis=(0, 1))
    image.std(axis=(0, 1))


def rate(way: Callable[[Path], None], images: list[Path]) -> float:
    start = time.process_time()
    for path in images:
        way(path)
    return len(images) / (time.process_time() - start)


def main() -> None:
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        images = [Path(folder) / f"{number}.tif" for number in range(NUM_IMAGES)]
        for path in images:
            patch = random.integers(0, 256, (96, 96, 3), np.uint8)
            cv2.imwrite(str(path), patch, UNCOMPRESSED)
        ways = (read_and_hash, inspect, naive)
        rates = [[rate(way, images) for way in ways] for _ in range(NUM_ROUNDS)]
    print(f"{NUM_IMAGES} images, {NUM_ROUNDS} rounds; images a CPU second and core: min median max")
    for way, column in zip(ways, zip(*rates, strict=True), strict=True):
        print(f"{way.__name__:14} {spread(column, ',.0f')}")
    print(f"inspect / read_and_hash: {spread([mine / floor for floor, mine, _ in rates], '.2f')}")
    print(f"inspect / naive:         {spread([mine / loop for _, mine, loop in rates], '.2f')}")


def spread(values: list[float] | tuple[float, ...], form: str) -> str:
    return " ".join(f"{f(values):{form}}" for f in (min, statistics.median, max))


if __name__ == "__main__":
    main()
