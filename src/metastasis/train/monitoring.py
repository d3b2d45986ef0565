"""Scores the validation patches between epochs. `fitting` acts on the scores."""

from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from sklearn import metrics

from metastasis.patches.shards import Patches
from metastasis.train import feeding
from metastasis.train.resuming import Arrays, Row

BATCH_SIZE = 256


@dataclass(frozen=True, eq=False)
class Monitor:
    """The validation patches in batches, and their labels (n,) in the same order."""

    batches: tf.data.Dataset
    labels: NDArray[np.integer]

    def measure(self, network: keras.Model, weights: Arrays) -> Row:
        """Return loss, accuracy and exact AUC of `network` with these weights instead of its own.

        If the loss is NaN, so is the AUC.
        """
        own = network.get_weights()
        network.set_weights(weights)
        logits = network.predict(self.batches, verbose=0)[: len(self.labels), 0].astype(np.float64)
        network.set_weights(own)
        is_positive = self.labels == 1
        with np.errstate(invalid="ignore"):
            loss = np.logaddexp(0, np.where(is_positive, -logits, logits)).mean()
        area = metrics.roc_auc_score(is_positive, logits) if np.isfinite(loss) else np.nan
        return {
            "eval/loss": float(loss),
            "eval/accuracy": float(((logits > 0) == is_positive).mean()),
            "eval/auc": float(area),
        }


def watch(patches: Patches, table: pd.DataFrame) -> Monitor:
    """Return the monitor of the labelled patches in `table` (id, label)."""
    places = patches.locate(table["id"], "labelled")
    return Monitor(feeding.in_order(patches, places, BATCH_SIZE), table["label"].to_numpy())
