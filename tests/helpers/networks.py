"""Networks whose weights look trained, for tests that need no training; how two are compared."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from metastasis.pretrained import architectures

# That differ by more than a layer: densenet121-x2 is densenet121 and one.
PUBLISHED = [name for name in architectures.ARCHITECTURES if name != "densenet121"]


def unsettle(network: Any, seed: int = 0) -> None:  # noqa: ANN401  # keras.Model; Keras ships no types
    """Give `network` random weights and statistics, unlike those of any initialiser."""
    random = np.random.default_rng(seed)
    network.set_weights(
        [
            weight * random.uniform(0.5, 1.5, weight.shape)
            if weight.ndim > 1
            else weight + random.uniform(0, 0.5, weight.shape)
            for weight in network.get_weights()
        ]
    )


def assert_same_but_rounding(first: Path, second: Path) -> None:
    """Compare two saved networks that were trained by the same steps, summed in another order."""
    mine, other = (keras.saving.load_model(path).get_weights() for path in (first, second))
    for weight, expected in zip(mine, other, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-4)
