"""Measure how many demo patches per second one core draws and writes."""

import statistics
import tempfile
import time
from pathlib import Path

import cv2

from metastasis.demo import demo, demo_params

NUM_ROUNDS = 5
NUM_PATCHES = 1000


def main() -> None:
    cv2.setNumThreads(1)
    rates = [rate(seed) for seed in range(NUM_ROUNDS)]
    low, middle, high = min(rates), statistics.median(rates), max(rates)
    print(f"{NUM_ROUNDS} rounds of {NUM_PATCHES} patches on one core, patches/s: min median max")
    print(f"{low:,.0f} {middle:,.0f} {high:,.0f}")


def rate(seed: int) -> float:
    params = demo_params.DemoParams(
        seed=seed,
        num_slides=20,
        num_patches=NUM_PATCHES - 100,
        num_test_slides=3,
        num_test_patches=100,
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        demo.draw(params, Path(folder) / "demo", Path(folder) / "truth", num_workers=1)
        return NUM_PATCHES / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
