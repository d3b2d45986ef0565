"""Makes the textures of drawn tissue: noise, fibres, crowded points.

All cover a field, from which patches are cut, and a margin around it. `demo.tissue` decides what
they represent.
Everything is computed in double precision, so that every processor draws the same pixels: the last
bit of an exponential or of a sum differs between processors, and in single precision it changes a
pixel in about every second patch. All sorting is stable, for the same reason.
"""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SIZE = 96  # pixels: the side of a patch
STEP = 16  # pixels: the shifts of patches that overlap are multiples of it, as in Kaggle's data
FIELD = SIZE + 2 * STEP  # pixels a side: a patch, and a step around it for others that overlap it
MARGIN = 6  # pixels around the field, so that its edges look like its middle
SIDE = FIELD + 2 * MARGIN
MIDDLE = SIDE / 2
GAIN = 1.05  # interpolated noise has a deviation of 1 / GAIN
MOST_PRODUCT = 32  # coarse values per side up to which a matrix product beats OpenCV's resizing

ROWS, COLUMNS = np.indices((SIDE, SIDE), dtype=np.float64)


def lattice(
    spacing: float, rng: np.random.Generator, *, jitter: float = 0.17, beyond: float = 2.0
) -> FloatArray:
    """Return points (n, 2) that cover the field and the `beyond` pixels around it.

    They lie on a rotated hexagonal grid, each shifted by about `jitter` spacings: crowded, but
    never on top of each other.
    """
    reach = int(np.ceil(1.5 * (MIDDLE + beyond) / spacing)) + 1
    grid = _hexagonal(reach)
    moved = grid + jitter * as_float(rng.standard_normal(grid.shape, dtype=np.float32))
    angle = rng.uniform(0, np.pi)
    cosine, sine = np.cos(angle) * spacing, np.sin(angle) * spacing
    turn = np.array([[cosine, sine], [-sine, cosine]], np.float64)
    points = moved @ turn + (rng.uniform(-0.5, 0.5, 2) * spacing).astype(np.float64)
    seen = np.abs(points).max(axis=1) < MIDDLE + beyond
    return points.compress(seen, axis=0) + MIDDLE


@functools.cache
def _hexagonal(reach: int) -> FloatArray:
    """Return the points (n, 2) of a hexagonal grid, `reach` rows and columns around its middle."""
    steps = np.arange(-reach, reach + 1, dtype=np.float64)
    x, y = np.broadcast_arrays(steps + 0.5 * (steps[:, None] % 2), steps[:, None] * np.sqrt(0.75))
    return as_float(np.stack([x.ravel(), y.ravel()], axis=1))


def fibres(angle: float, rng: np.random.Generator, *, width: float, length: float) -> FloatArray:
    """Return wavy streaks along `angle`, (140, 140) float64 with mean 0 and deviation about 1."""
    along = ramp(angle) + 4 * noise(20, rng)
    across = ramp(angle + np.pi / 2) + 4 * noise(28, rng)
    shape = int(2 * SIDE / width) + 3, int(2 * SIDE / length) + 3
    threads = as_float(rng.standard_normal(shape, dtype=np.float32))
    column = (along / length + shape[1] / 2).astype(np.float32)  # OpenCV accepts only float32
    row = (across / width + shape[0] / 2).astype(np.float32)
    return as_float(
        cv2.remap(threads, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    )


def noise(grain: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth noise, (140, 140) float64 with mean 0 and deviation about 1.

    `grain` is the distance, in pixels, over which the noise changes.
    """
    num = int(np.ceil(SIDE / grain)) + 2
    coarse = as_float(rng.standard_normal((num, num), dtype=np.float32))
    if num > MOST_PRODUCT:
        return as_float(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)) * GAIN
    spread = _spread(num)
    return as_float(spread @ coarse @ spread.T)


@functools.cache
def _spread(num: int) -> FloatArray:
    """Return the weights (140, num) that interpolate `num` values over a row, cubically."""
    identity = np.eye(num, dtype=np.float64)
    spread = as_float(cv2.resize(identity, (num, SIDE), interpolation=cv2.INTER_CUBIC))
    return as_float(spread * np.sqrt(GAIN))


def ramp(angle: float) -> FloatArray:
    """Return each pixel's distance from the middle along `angle`, in pixels."""
    across, down = (COLUMNS - MIDDLE) * np.cos(angle), (ROWS - MIDDLE) * np.sin(angle)
    return as_float(across + down)


def as_float(image: cv2.typing.MatLike | NDArray[np.floating]) -> FloatArray:
    """Return the array as float64, without a copy if it is; OpenCV's type hints are too vague."""
    return np.asarray(image, np.float64)
