"""Scores the patches of a folder with a saved network. The callers interpret the scores.

`engines` runs the network.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis.engines import engines
from metastasis.patches import shards, symmetries

BATCH_SIZE = 256  # the engine's, so that each of its batches is full


def score(
    model_path: Path,
    patches: shards.Patches,
    places: shards.Places,
    tta: symmetries.TestTime = "none",
) -> NDArray[np.float32]:
    """Return the logit of tumour for each patch at `places`: (n,) float32.

    `model_path` is a .keras file, or an export or its folder. With `tta` "d4" (test-time
    augmentation) it is the mean over the eight flips and turns.
    """
    engine = engines.open_network(model_path)
    elements = range(symmetries.NUM_ELEMENTS if tta == "d4" else 1)
    logits = np.empty(len(places), np.float32)
    with tqdm(total=len(places), desc="score", unit=" patches", disable=None) as bar:
        for start in range(0, len(places), BATCH_SIZE):
            batch = patches.take(places[start : start + BATCH_SIZE])
            scores = [engine.logits(symmetries.turn(batch, each)) for each in elements]
            logits[start : start + len(batch)] = np.mean(scores, axis=0)
            bar.update(len(batch))
    return logits
