"""Makes a random generator for each thing that is drawn, so that the order doesn't matter."""

import numpy as np


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of `seed` for one slide, step or patch, named by whole numbers.

    As entropy, [seed, epoch] and [seed, epoch, 0] would give one stream; as keys they differ.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
