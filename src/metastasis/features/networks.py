"""Defines what a frozen network is to this stage, and fits patches to its input.

`keras_networks` and `onnx_networks` read networks from files.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError

BATCH_SIZE = 64
CHANNELS = 3
NUM_AXES = 2  # of features: patches, and the features of each
MAX_SHOWN = 200  # characters of a library's message

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """A network that doesn't change: `compute` turns RGB patches of 0..255 into features.

    `compute` takes (n, height, width, 3) float32 and returns (n, d). It takes `batch_size` patches
    at a time, or fewer unless `is_fixed`.
    """

    compute: Callable[[Float32], NDArray[np.floating]]
    height: int
    width: int
    batch_size: int = BATCH_SIZE
    is_fixed: bool = False

    def features(self, patches: UInt8) -> NDArray[np.floating]:
        """Return the features (n, d) of (n, size, size, 3) patches, resized to the input.

        Raises:
            InputError: the network gives another number of rows than it was given patches.
        """
        num = len(patches)
        if self.is_fixed and num < self.batch_size:  # the last batch
            patches = np.pad(patches, ((0, self.batch_size - num), (0, 0), (0, 0), (0, 0)))
        found = self.compute(resized(patches, self.height, self.width).astype(np.float32))
        if found.ndim != NUM_AXES or len(found) != len(patches):
            raise InputError(
                f"the network gives an array of shape {found.shape} for {len(patches)} patches; "
                "expected a row of features for each. Export it with a batch of any size."
            )
        return found[:num]


def brief(error: Exception) -> str:
    """Return the beginning of a library's message, for a message of ours."""
    return str(error).strip().partition("\n")[0][:MAX_SHOWN]


def resized(patches: UInt8, height: int, width: int) -> UInt8:
    """Return the patches at another size: bilinear if they grow, else by the area of each pixel."""
    _, old_height, old_width, _ = patches.shape
    if (height, width) == (old_height, old_width):
        return patches
    is_larger = height >= old_height and width >= old_width
    how = cv2.INTER_LINEAR if is_larger else cv2.INTER_AREA
    return np.stack(
        [
            np.asarray(cv2.resize(patch, (width, height), interpolation=how), np.uint8)
            for patch in patches
        ]
    )
