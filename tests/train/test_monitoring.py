"""Tests of `train.monitoring`: exact numbers, by the weights that it is given."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from helpers.patches import write_shards
from metastasis import models
from metastasis.patches import shards
from metastasis.train import monitoring

pytestmark = pytest.mark.medium


def test_the_numbers_are_those_of_the_given_weights_and_the_network_keeps_its_own(
    tmp_path: Path,
) -> None:
    write_shards(tmp_path, 24, size=32)
    patches = shards.read(tmp_path)
    table = pd.DataFrame({"id": [f"p{number}" for number in range(3, 24)]})
    table["label"] = np.random.default_rng(0).integers(0, 2, len(table))
    keras.utils.set_random_seed(1)
    network, other = (models.to_logits(models.build("compact", 32)) for _ in range(2))
    own = network.get_weights()
    row = monitoring.watch(patches, table).measure(network, other.get_weights())

    pixels = patches.take(patches.locate(table["id"], "labelled"))
    logits = other(pixels).numpy()[:, 0].astype(np.float64)
    probabilities = 1 / (1 + np.exp(-logits))
    assert row["eval/auc"] == pytest.approx(metrics.roc_auc_score(table["label"], logits))
    assert row["eval/loss"] == pytest.approx(metrics.log_loss(table["label"], probabilities))
    assert row["eval/accuracy"] == pytest.approx(((logits > 0) == table["label"]).mean())
    for mine, before in zip(network.get_weights(), own, strict=True):
        assert np.array_equal(mine, before)
