"""Reads a folder with a final model, its decision and its card, and checks that all are intact.

The folder needs nothing else: it may have been copied from another machine. Keras isn't imported.
"""

from dataclasses import dataclass
from pathlib import Path

from metastasis import plain_networks
from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.results import card as cards
from metastasis.results.card import Card
from metastasis.results.decision import Decision

NEEDED = f"{cards.MODEL_NAME}, {cards.DECISION_NAME} and {cards.CARD_NAME}"


@dataclass(frozen=True)
class ModelFolder:
    """A checked model: the file of the network, how its scores are read, and where it is from."""

    folder: Path
    network_path: Path  # Keras may open it: it holds no code
    decision: Decision
    card: Card


def read(folder: Path) -> ModelFolder:
    """Return the model in `folder`.

    Raises:
        InputError: the folder or a file is missing or was changed, the network holds anything but
            plain layers or takes other patches than the card says, or the card is a later one.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is {'a file' if folder.exists() else 'missing'}; expected a folder with "
            f"{NEEDED}, such as models/ after `dvc repro`."
        )
    _require(folder, cards.CARD_NAME)
    card = cards.read(folder / cards.CARD_NAME)
    for name in (cards.MODEL_NAME, cards.DECISION_NAME):
        _require(folder, name)
        if (found := files.sha256(folder / name)) != (expected := card.files.get(name)):
            raise InputError(
                f"{folder / name} isn't the file that {cards.CARD_NAME} describes: its SHA-256 is "
                f"{found}, expected {expected}. It was changed, damaged or exchanged: copy the "
                "whole folder again, or restore it with `dvc checkout`."
            )
    plain_networks.require(folder / cards.MODEL_NAME, card.input_size)
    return ModelFolder(
        folder=folder,
        network_path=folder / cards.MODEL_NAME,
        decision=records.read(folder / cards.DECISION_NAME, Decision),
        card=card,
    )


def _require(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise InputError(
            f"{folder} has no {name}; expected {NEEDED} of one run of the stage `evaluate`. Copy "
            "all three, or run `dvc repro` where the model was made."
        )
