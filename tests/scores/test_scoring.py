"""Tests that scoring through an engine gives the bits that Keras itself gives."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from helpers.networks import unsettle
from helpers.patches import write_shards
from metastasis import models, saving
from metastasis.patches import shards, symmetries
from metastasis.scores import scoring

NUM = 300  # more than a batch


@pytest.mark.parametrize("tta", ["none", "d4"])
def test_the_logits_are_keras_own_bit_by_bit(tmp_path: Path, tta: symmetries.TestTime) -> None:
    keras.utils.set_random_seed(0)  # two logits of other weights may be equal by chance
    network = models.build("compact", 32)
    unsettle(network)
    saving.save(network, tmp_path / "network.keras")
    (tmp_path / "crops").mkdir()
    noise = write_shards(tmp_path / "crops", NUM, size=32, step=100)
    patches = shards.read(tmp_path / "crops")
    ids = pd.Series([f"p{number}" for number in reversed(range(NUM))])
    found = scoring.score(tmp_path / "network.keras", patches, patches.locate(ids, "labelled"), tta)

    logits = models.to_logits(keras.saving.load_model(tmp_path / "network.keras"))
    elements = range(8) if tta == "d4" else [0]
    expected = []
    for batch in (noise[::-1][:256], noise[::-1][256:]):
        turned = [symmetries.turn(batch.astype(np.float32), element) for element in elements]
        expected.append(np.mean([logits.predict_on_batch(each) for each in turned], axis=0)[:, 0])
    assert found.tobytes() == np.concatenate(expected).astype(np.float32).tobytes()
    assert len(np.unique(found)) == NUM
