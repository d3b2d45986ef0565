"""Applies the eight flips and quarter turns of a square patch, the group D4, which fix its centre.

The callers choose the elements.
"""

from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

NUM_ELEMENTS = 8

TestTime = Literal["none", "d4"]  # test-time augmentation: the mean over d4, or none


def turn(patches: NDArray[Scalar], element: int) -> NDArray[Scalar]:
    """Return (n, size, size, ...) patches under one element: 0-3 turns, 4-7 mirrored and turned.

    Element 0 changes nothing. The result may be a view.
    """
    mirrored = patches[:, :, :: -1 if element >= NUM_ELEMENTS // 2 else 1]
    return np.rot90(mirrored, element % 4, axes=(1, 2))
