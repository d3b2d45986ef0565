"""Networks whose weights look trained, for tests that need no training."""

from typing import Any

import numpy as np


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
