"""Loads a saved network and scores patches with it. What the scores mean, others decide."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis import models, shards

BATCH_SIZE = 256


def score(model_path: Path, patches: shards.Patches, places: pd.DataFrame) -> NDArray[np.float32]:
    """Return the logit of tumour for each patch at `places` (shard, row): (n,) float32."""
    network = models.to_logits(keras.saving.load_model(model_path))
    logits = np.empty(len(places), np.float32)
    with tqdm(total=len(places), desc="score", unit=" patches", disable=None) as bar:
        for start in range(0, len(places), BATCH_SIZE):
            batch = patches.take(places.iloc[start : start + BATCH_SIZE])
            logits[start : start + len(batch)] = network.predict_on_batch(batch)[:, 0]
            bar.update(len(batch))
    return logits
