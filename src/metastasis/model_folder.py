"""Reads a folder with a final model, its decision and its card, and checks that all are intact.

The folder needs nothing else: it may have been copied from another machine. Exports of the model
may lie in it. Keras isn't imported.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from metastasis import plain_networks
from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.engines.engines import EngineName
from metastasis.engines.export_params import Bits
from metastasis.results import card as cards
from metastasis.results.card import Card, Sha256
from metastasis.results.decision import Decision
from metastasis.results.export import FOLDER_NAME, NAMES, NOTE_NAME, ExportNote

NEEDED = f"{cards.MODEL_NAME}, {cards.DECISION_NAME} and {cards.CARD_NAME}"


@dataclass(frozen=True)
class Network:
    """What an engine opens: the model's own network, or its export to the engine's format."""

    path: Path
    digest: Sha256  # differs if scores may differ
    bits: Bits | None = None  # of an export


@dataclass(frozen=True)
class ModelFolder:
    """A checked model: its folder, how its scores are read, and where it is from."""

    folder: Path
    decision: Decision
    card: Card

    def network_for(self, engine: EngineName) -> Network:
        """Return the export of this model to the engine's format, or its own network without one.

        An export of another network, as an earlier training leaves it, counts as none.

        Raises:
            InputError: the export's note can't be read, or a file is missing or was changed.
        """
        # Keras may open it: it holds no code.
        own = Network(self.folder / cards.MODEL_NAME, self.card.files[cards.MODEL_NAME])
        folder = self.folder / FOLDER_NAME / engine
        if engine not in NAMES or not (folder / NOTE_NAME).is_file():
            return own
        note = _note(folder / NOTE_NAME)
        if note.exported_from != own.digest:
            return own
        for name in NAMES[engine]:
            _require_same(folder / name, note.files.get(name), described_in=NOTE_NAME)
        return Network(folder / NAMES[engine][0], files.sha256(folder / NOTE_NAME), note.bits)

    def exports(self) -> dict[EngineName, Network]:
        """Return the exports of this model that lie in its folder, by their engines.

        Raises:
            InputError: as by `network_for`.
        """
        found = {engine: self.network_for(engine) for engine in get_args(EngineName)}
        return {engine: network for engine, network in found.items() if network.bits is not None}


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
        _require_same(folder / name, card.files.get(name), described_in=cards.CARD_NAME)
    plain_networks.require(folder / cards.MODEL_NAME, card.input_size)
    return ModelFolder(
        folder=folder,
        decision=records.read(folder / cards.DECISION_NAME, Decision),
        card=card,
    )


def _note(path: Path) -> ExportNote:
    try:
        return records.read(path, ExportNote)
    except InputError as error:
        raise InputError(
            f"{error} Or delete {path.parent}: the model's own network is enough."
        ) from None


def _require(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise InputError(
            f"{folder} has no {name}; expected {NEEDED} of one run of the stage `evaluate`. Copy "
            "all three, or run `dvc repro` where the model was made."
        )


def _require_same(path: Path, expected: str | None, described_in: str) -> None:
    found = files.sha256(path) if path.is_file() else None
    if found is None or found != expected:
        raise InputError(
            f"{path} isn't the file that {described_in} describes: "
            f"{f'its SHA-256 is {found}' if found else 'it is missing'}, expected "
            f"{expected or 'no such file'}. It was changed, damaged or exchanged: copy the whole "
            "folder again, or restore it with `dvc checkout`."
        )
