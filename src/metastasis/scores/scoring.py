"""Loads a saved network and scores patches with it. The callers interpret the scores."""

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis import models
from metastasis.patches import shards, symmetries

BATCH_SIZE = 256


def score(
    model_path: Path,
    patches: shards.Patches,
    places: shards.Places,
    tta: symmetries.TestTime = "none",
) -> NDArray[np.float32]:
    """Return the logit of tumour for each patch at `places`: (n,) float32.

    With `tta` "d4" (test-time augmentation) it is the mean over the eight flips and turns.
    """
    network = models.to_logits(keras.saving.load_model(model_path))
    elements = range(symmetries.NUM_ELEMENTS if tta == "d4" else 1)
    logits = np.empty(len(places), np.float32)
    with tqdm(total=len(places), desc="score", unit=" patches", disable=None) as bar:
        for start in range(0, len(places), BATCH_SIZE):
            # TensorFlow complains of a transposed uint8, as in a model with flips and turns.
            batch = patches.take(places[start : start + BATCH_SIZE]).astype(np.float32)
            scores = [network.predict_on_batch(symmetries.turn(batch, each)) for each in elements]
            logits[start : start + len(batch)] = np.mean(scores, axis=0)[:, 0]
            bar.update(len(batch))
    return logits
