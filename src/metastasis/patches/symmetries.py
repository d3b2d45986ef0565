"""The eight flips and quarter turns of a square patch, the group D4. None of them moves its centre.

Which one is applied to what, the callers decide.
"""

from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

NUM_ELEMENTS = 8

TestTime = Literal["none", "d4"]  # test-time augmentation: the mean over d4, or as it lies


def turn(patches: NDArray[Scalar], element: int) -> NDArray[Scalar]:
    """Return (n, size, size, ...) patches under one element: 0-3 turns, 4-7 mirrored and turned.

    0 leaves them as they are. What is returned may be a view.
    """
    mirrored = patches[:, :, :: -1 if element >= NUM_ELEMENTS // 2 else 1]
    return np.rot90(mirrored, element % 4, axes=(1, 2))
