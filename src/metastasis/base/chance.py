"""Makes a separate random generator for each draw, so that the order of draws doesn't matter."""

import numpy as np


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of `seed` for one slide, step or patch, identified by whole numbers.

    As entropy, [seed, epoch] and [seed, epoch, 0] would give the same stream; as keys they differ.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
