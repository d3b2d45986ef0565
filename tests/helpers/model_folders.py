"""A small final model in a folder of its own, with its decision and its card, made in seconds."""

from pathlib import Path

import keras

from metastasis import members, models, saving
from metastasis.base import files, records
from metastasis.results import card as cards
from metastasis.results.card import Card, Measured, Rate, Scored, Source, TrainedMember
from metastasis.results.decision import Decision
from metastasis.results.export import FOLDER_NAME, NOTE_NAME, ExportNote

RECIPE: dict[str, members.Setting] = {"model": "compact", "epochs": 10, "learning_rate": 0.003}
SCORED = Scored(
    num_patches=800,
    num_units=19,
    over="slides",
    roc_auc=Rate(value=0.949, low=0.92, high=0.968),
    sensitivity=Rate(value=0.9, low=0.85, high=0.93),
    specificity=Rate(value=0.88, low=None, high=None),
)


def write_model(folder: Path, size: int = 32) -> Path:
    """Write an untrained network for patches of `size` pixels as a final model, and return it."""
    keras.utils.set_random_seed(1)
    network = models.build("compact", size)
    saving.save(models.to_final([network], 1.5, "none"), folder / cards.MODEL_NAME)
    decision = Decision(tta="none", temperature=1.5, threshold=0.42)
    records.write(folder / cards.DECISION_NAME, decision)
    cards.write(folder / cards.CARD_NAME, described(folder, size))
    return folder


def write_export(folder: Path, name: str, content: dict[str, bytes]) -> Path:
    """Write files as an export of the model in `folder` to the format `name`, with their note."""
    exported = folder / FOLDER_NAME / name
    exported.mkdir(parents=True, exist_ok=True)
    for file, written in content.items():
        (exported / file).write_bytes(written)
    note_export(folder, exported)
    return exported


def note_export(folder: Path, exported: Path) -> None:
    """Write the note of an export of the model in `folder`, whose files are there."""
    note = ExportNote(
        format=1,
        exported_from=files.sha256(folder / cards.MODEL_NAME),
        bits=32,
        files={
            each.name: files.sha256(each) for each in exported.iterdir() if each.name != NOTE_NAME
        },
    )
    records.write(exported / NOTE_NAME, note)


def described(folder: Path, size: int = 32) -> Card:
    """Return a card that fits the files in `folder`."""
    names = (cards.MODEL_NAME, cards.DECISION_NAME)
    return Card(
        format=cards.FORMAT,
        network="compact",
        members=(TrainedMember(seed=1, fold=0, num_patches=2400),),
        patch_size=96,
        input_size=size,
        um_per_pixel=0.972,
        colours=cards.COLOURS,
        tta="none",
        recipe=RECIPE,
        initial_weights=None,
        source=Source(name="a folder", is_drawn=False, pixels="0" * 64),
        num_training_patches=2400,
        measured=Measured(validation=SCORED, test=SCORED),
        notes=(),
        versions={"keras": keras.__version__},
        licence=cards.LICENCE,
        files={name: files.sha256(folder / name) for name in names if (folder / name).exists()},
    )
