"""Tiled TIFFs with smaller levels, as slide scanners write them, and a smooth picture for them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

UM_PER_CM = 10_000
PER_CM = 3  # of the tag ResolutionUnit


def write(
    path: Path,
    pixels: NDArray[np.uint8],
    um_per_pixel: float | None = None,
    factors: tuple[int, ...] = (1, 2, 4),
    **options: object,
) -> None:
    """Write `pixels` (height, width, 3) and copies of it reduced by `factors`."""
    with tifffile.TiffWriter(path) as writer:
        for factor in factors:
            height, width = (side // factor for side in pixels.shape[:2])
            level = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
            written: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb"} | options
            if um_per_pixel is not None:
                per_cm = UM_PER_CM / (um_per_pixel * factor)
                written |= {"resolution": (per_cm, per_cm), "resolutionunit": PER_CM}
            writer.write(level, subfiletype=0 if factor == 1 else 1, metadata=None, **written)


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return dark, smooth blobs without any glass, (height, width, 3)."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float64)
    spread = (smooth - smooth.mean()) / smooth.std()
    return np.asarray((110 + 30 * spread).clip(10, 200), np.uint8)
