"""Makes the textures that tissue is drawn with: noise, fibres, crowded points.

All cover a patch and a margin around it. What they stand for is `metastasis.tissue`'s business.
"""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SIZE = 96  # pixels, of a patch
MARGIN = 6  # pixels drawn around the patch, so that its edges look like its middle
SIDE = SIZE + 2 * MARGIN
MIDDLE = SIDE / 2
GAIN = np.float32(1.05)  # interpolated noise has a deviation of 1 / GAIN
MOST_PRODUCT = 32  # coarse values a side up to which a matrix product beats OpenCV's resizing

ROWS, COLUMNS = np.indices((SIDE, SIDE), dtype=np.float32)


def lattice(
    spacing: float, rng: np.random.Generator, *, jitter: float = 0.17, beyond: float = 2.0
) -> FloatArray:
    """Return points (n, 2) that cover the patch and the `beyond` pixels around it.

    They stand on a turned hexagonal grid, each moved by about `jitter` spacings: crowded, never
    piled up.
    """
    reach = int(np.ceil(1.5 * (MIDDLE + beyond) / spacing)) + 1
    grid = _hexagonal(reach)
    moved = grid + np.float32(jitter) * rng.standard_normal(grid.shape, dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    cosine, sine = np.cos(angle) * spacing, np.sin(angle) * spacing
    turn = np.array([[cosine, sine], [-sine, cosine]], np.float32)
    points = moved @ turn + (rng.uniform(-0.5, 0.5, 2) * spacing).astype(np.float32)
    seen = np.abs(points).max(axis=1) < MIDDLE + beyond
    return points.compress(seen, axis=0) + np.float32(MIDDLE)


@functools.cache
def _hexagonal(reach: int) -> FloatArray:
    """Return the points (n, 2) of a hexagonal grid, `reach` rows and columns around its middle."""
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    x, y = np.broadcast_arrays(steps + 0.5 * (steps[:, None] % 2), steps[:, None] * np.sqrt(0.75))
    return as_float(np.stack([x.ravel(), y.ravel()], axis=1))


def fibres(angle: float, rng: np.random.Generator, *, width: float, length: float) -> FloatArray:
    """Return wavy streaks along `angle`, (108, 108) float32 with mean 0 and deviation about 1."""
    along = ramp(angle) + 4 * noise(20, rng)
    across = ramp(angle + np.pi / 2) + 4 * noise(28, rng)
    shape = int(2 * SIDE / width) + 3, int(2 * SIDE / length) + 3
    threads = rng.standard_normal(shape, dtype=np.float32)
    column, row = along / length + shape[1] / 2, across / width + shape[0] / 2
    return as_float(
        cv2.remap(threads, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    )


def noise(grain: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth noise, (108, 108) float32 with mean 0 and deviation about 1.

    `grain` is the distance, in pixels, over which it changes.
    """
    num = int(np.ceil(SIDE / grain)) + 2
    coarse = rng.standard_normal((num, num), dtype=np.float32)
    if num > MOST_PRODUCT:
        return as_float(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)) * GAIN
    spread = _spread(num)
    return as_float(spread @ coarse @ spread.T)


@functools.cache
def _spread(num: int) -> FloatArray:
    """Return the weights (108, num) that stretch `num` values over a row, cubically."""
    identity = np.eye(num, dtype=np.float32)
    spread = as_float(cv2.resize(identity, (num, SIDE), interpolation=cv2.INTER_CUBIC))
    return as_float(spread * np.sqrt(GAIN))


def ramp(angle: float) -> FloatArray:
    """Return each pixel's distance from the middle along `angle`, in pixels."""
    return (COLUMNS - np.float32(MIDDLE)) * np.float32(np.cos(angle)) + (
        ROWS - np.float32(MIDDLE)
    ) * np.float32(np.sin(angle))


def as_float(image: cv2.typing.MatLike | NDArray[np.floating]) -> FloatArray:
    """Return the array as float32, without a copy where it is; OpenCV's types say too little."""
    return np.asarray(image, np.float32)
