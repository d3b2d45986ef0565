"""A test that published weights help here: they transfer from ImageNet's pictures to patches."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from helpers.ingesting import ingest
from metastasis.demo import demo, demo_params
from metastasis.download import lite0
from metastasis.patches import shards
from metastasis.pretrained import architectures, weights
from metastasis.probe import regression

NUM_FOLDS = 5


def area(features: NDArray[np.float32], labels: NDArray[np.integer], slides: pd.Series) -> float:
    """Return the AUC of probes on slides that they haven't seen."""
    scaled = regression.scale(features).apply(features)
    folds = GroupKFold(NUM_FOLDS).split(scaled, labels, slides)
    areas = [
        roc_auc_score(
            labels[unseen],
            regression.fit(scaled[seen], labels[seen], 1e-3).decision_function(scaled[unseen]),
        )
        for seen, unseen in folds
    ]
    return float(np.mean(areas))


@pytest.mark.slow
def test_imagenets_weights_know_more_of_drawn_tissue_than_random_ones(tmp_path: Path) -> None:
    small = {"num_slides": 30, "num_patches": 600, "num_test_slides": 3, "num_test_patches": 12}
    drawn = demo_params.DemoParams(seed=1, **small)
    demo.draw(drawn, tmp_path / "demo", tmp_path / "truth")
    ingest(tmp_path / "demo", tmp_path)
    labels = pd.read_csv(tmp_path / "demo/train_labels.csv")
    table = labels.merge(pd.read_csv(tmp_path / "demo/slides.csv"), on="id")
    patches = shards.read(tmp_path / "patches")
    shown = patches.take(patches.locate(table["id"], "labelled"))
    lite0.convert(lite0.installed(), tmp_path / "lite0.keras")
    areas = {}
    for name in ("random", "imagenet"):
        keras.utils.set_random_seed(1)
        body = architectures.build("efficientnet-lite0", 96, layers.BatchNormalization)
        if name == "imagenet":
            weights.fill(body, tmp_path / "lite0.keras")
        features = body.predict(shown, batch_size=64, verbose=0).mean(axis=(1, 2))
        areas[name] = area(features, table["label"].to_numpy(), table["slide"])
    assert areas["imagenet"] > areas["random"] + 0.05, areas
