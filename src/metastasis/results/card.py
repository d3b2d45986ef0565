"""Defines the final model's card: what it takes, how it was made and how it scored.

The card travels with the model. `evaluate` writes it. `model_folder` checks the files beside it.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.base.records import Record
from metastasis.members import InitialWeights, Setting
from metastasis.patches.symmetries import TestTime
from metastasis.scores import intervals

FORMAT = 1  # a later one may have other fields
CARD_NAME, MODEL_NAME, DECISION_NAME = "card.json", "model.keras", "decision.json"
CHECKSUM = "checksum"  # the card's own, over everything else in it

COLOURS: Literal["RGB, 0 to 255"] = "RGB, 0 to 255"
LICENCE = (
    "The code that made this model is under the MIT licence. The model itself is its owner's, who "
    "decides on its licence within the terms of the patches that it learnt from"
)
LICENCE_OF_WEIGHTS = ", and of the weights that its training started from"

InputSize = Annotated[int, pydantic.Field(ge=32, le=96)]  # at least what the label is about
Sha256 = Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]


class TrainedMember(Record, frozen=True):
    """A network of the model: its seed, its fold and the number of patches that it learnt from."""

    seed: int
    fold: int
    num_patches: int


class Source(Record, frozen=True):
    """Where the patches come from."""

    name: str
    is_drawn: bool
    pixels: Sha256  # over the sorted SHA-1s of all images' pixels


class Rate(Record, frozen=True):
    """A metric with its 95 % interval; None if one isn't defined."""

    value: float | None
    low: float | None
    high: float | None


class Scored(Record, frozen=True):
    """How the model scored on a part of the patches, and what the intervals are over."""

    num_patches: int
    num_units: int
    over: intervals.Unit
    roc_auc: Rate
    sensitivity: Rate  # of the calls with the decision's threshold
    specificity: Rate


class Measured(Record, frozen=True):
    """How the model scored on each part; without a test part the numbers are optimistic."""

    validation: Scored
    test: Scored | None = None


class Card(Record, frozen=True):
    """models/card.json: all that another machine has to know of the final model."""

    format: Literal[1]
    network: str  # a name of train.model
    members: Annotated[tuple[TrainedMember, ...], pydantic.Field(min_length=1)]
    patch_size: Literal[96]  # side of a patch, in pixels
    input_size: InputSize  # side of its central square that the network sees, in pixels
    um_per_pixel: pydantic.PositiveFloat
    colours: Literal["RGB, 0 to 255"]
    tta: TestTime
    recipe: dict[str, Setting]  # section `train` but for seeds, folds and the path of weights
    initial_weights: InitialWeights | None
    source: Source
    num_training_patches: int  # that at least one member learnt from
    measured: Measured
    notes: tuple[str, ...]  # why the numbers are less certain than they look, as sentences
    versions: dict[str, str]  # of the libraries that wrote the model
    licence: str
    files: dict[str, Sha256]  # of the files beside the card


def write(path: Path, card: Card) -> None:
    """Write `card` with a checksum of its content, by which `read` finds any change."""
    content = files.rounded(card.model_dump(mode="json"))
    files.write_json(path, content | {CHECKSUM: checksum(content)})


def read(path: Path) -> Card:
    """Return the card at `path`.

    Raises:
        InputError: the file isn't a card, is a newer version's, or was changed since.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # neither JSON nor text
        content = None
    version = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or type(version) is not int:
        raise InputError(
            f"{path} is not a model's card: expected JSON as the stage `evaluate` writes it. "
            "Copy the model's folder again, or run `dvc repro`."
        )
    if version > FORMAT:
        raise InputError(
            f"{path} has format {version}, and this version of the project reads up to {FORMAT}. "
            "Use the version that wrote it, or a later one."
        )
    if content.pop(CHECKSUM, None) != checksum(content):
        raise _changed(path, "its content isn't that of its checksum")
    try:
        return Card.model_validate(content)
    except pydantic.ValidationError as error:
        found = error.errors()[0]
        raise _changed(path, f"{'.'.join(map(str, found['loc']))}: {found['msg']}") from None


def _changed(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} was changed or damaged since `evaluate` wrote it ({reason}). Copy the model's "
        "folder again, or restore the file with `dvc checkout`."
    )


def checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a card's content without its checksum, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
