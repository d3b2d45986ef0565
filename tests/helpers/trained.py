"""Model folders whose network has random weights that look trained, so that scores differ."""

from pathlib import Path

import keras
import numpy as np

from helpers import model_folders, networks, pyramids
from metastasis import models, saving
from metastasis.base import records
from metastasis.results import card as cards
from metastasis.results.card import Source
from metastasis.results.decision import Decision, Sets

THRESHOLD = 0.5


def write(
    folder: Path, size: int = 96, *, is_drawn: bool = False, sets: Sets | None = None
) -> Path:
    """Write a final model for patches of `size` pixels and return its folder.

    Its logits on smooth pictures lie on both sides of 0.
    """
    folder.mkdir(parents=True)
    keras.utils.set_random_seed(1)
    network = models.build("compact", size)
    networks.unsettle(network)
    _centre(network, size)
    saving.save(models.to_final([network], 1.0, "none"), folder / cards.MODEL_NAME)
    decision = Decision(tta="none", temperature=1.0, threshold=THRESHOLD)
    found = decision if sets is None else decision.model_copy(update={"sets": sets})
    records.write(folder / cards.DECISION_NAME, found)
    card = model_folders.described(folder, size)
    source = Source(name="the project's demo", is_drawn=is_drawn, pixels="0" * 64)
    cards.write(folder / cards.CARD_NAME, card.model_copy(update={"source": source}))
    return folder


def _centre(network: keras.Model, size: int) -> None:
    """Shift and scale the last layer so that logits of pictures have mean 0 and deviation 2."""
    pictures = np.stack([pyramids.picture(size, size, seed) for seed in range(16)])
    logits = models.to_logits(network).predict_on_batch(pictures.astype(np.float32))
    kernel, bias = network.get_layer("logit").get_weights()
    scale = 2 / float(logits.std())
    network.get_layer("logit").set_weights([kernel * scale, (bias - logits.mean()) * scale])
