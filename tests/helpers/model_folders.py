"""Model folders whose network has random weights, with the card and decision of a real one."""

from pathlib import Path

import keras
import numpy as np

from helpers import networks
from metastasis import models, saving
from metastasis.base import files, records
from metastasis.results import card as cards
from metastasis.results.card import Card, Measured, Rate, Scored, Source
from metastasis.results.decision import Decision, Sets

RATE = Rate(value=0.9, low=0.8, high=0.95)


def write(
    folder: Path,
    *,
    input_size: int = 96,
    um_per_pixel: float = 0.972,
    is_drawn: bool = True,
    sets: Sets | None = None,
    network: Path | None = None,
) -> None:
    """Write a model with its decision and card; `network` is a saved one that is copied instead."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / cards.MODEL_NAME
    if network is None:
        keras.utils.set_random_seed(1)
        built = models.build("compact", input_size)
        networks.unsettle(built)
        saving.save(models.to_final([built], 1.0, "none"), path)
    else:
        path.write_bytes(network.read_bytes())
    decision = {"tta": "none", "temperature": 1.0, "threshold": 0.5}
    found = Decision.model_validate(decision if sets is None else decision | {"sets": sets})
    records.write(folder / cards.DECISION_NAME, found)
    cards.write(
        folder / cards.CARD_NAME, _card(folder, input_size, um_per_pixel, is_drawn=is_drawn)
    )


def _card(folder: Path, input_size: int, um_per_pixel: float, *, is_drawn: bool) -> Card:
    scored = Scored(
        num_patches=10, num_units=2, over="slides", roc_auc=RATE, sensitivity=RATE, specificity=RATE
    )
    return Card(
        format=1,
        network="compact",
        members=(),
        patch_size=96,
        input_size=input_size,
        um_per_pixel=um_per_pixel,
        colours=cards.COLOURS,
        tta="none",
        recipe={},
        initial_weights=None,
        source=Source(name="the project's demo", is_drawn=is_drawn, pixels="0" * 64),
        num_training_patches=100,
        measured=Measured(validation=scored),
        notes=(),
        versions={"numpy": np.__version__},
        licence=cards.LICENCE,
        files={
            name: files.sha256(folder / name) for name in (cards.MODEL_NAME, cards.DECISION_NAME)
        },
    )
