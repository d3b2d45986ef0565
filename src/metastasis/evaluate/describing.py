"""Gathers the final model's card from the members' records, the decision and the evaluation.

`results.card` defines the card.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from metastasis import members, tables
from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.members import Member, Trained
from metastasis.patches import shards
from metastasis.results import card as cards
from metastasis.results.card import Card, Measured, Rate, Scored, Source, TrainedMember
from metastasis.results.decision import Decision
from metastasis.results.evaluation import Evaluation, Part
from metastasis.results.provenance import Provenance

LIBRARIES = ("keras", "numpy", "tensorflow")  # that write the model, and that open it again


def describe(  # noqa: PLR0913  # a card brings together what several files hold
    trained: Sequence[Trained],
    table: pd.DataFrame,
    evaluation: Evaluation,
    decision: Decision,
    source: Provenance,
    *,
    inventory_path: Path,
    model_path: Path,
    decision_path: Path,
    input_size: int,
    um_per_pixel: float,
) -> Card:
    """Return the card of the model and the decision at the paths.

    `trained` are its members' records, `table` is the split, and `input_size` is the side in pixels
    of what the network sees of a patch.

    Raises:
        InputError: the members were trained in different ways.
    """
    training = _training(trained)
    doubtful = decision.warning()
    notes = [*evaluation.warnings(), *([doubtful[0].upper() + doubtful[1:]] if doubtful else [])]
    weights = cards.LICENCE_OF_WEIGHTS if training.initial_weights else ""
    return Card(
        format=cards.FORMAT,
        network=training.network,
        members=tuple(
            TrainedMember(seed=each.seed, fold=each.fold, num_patches=each.num_patches)
            for each in trained
        ),
        patch_size=shards.PATCH_SIZE,
        input_size=input_size,
        um_per_pixel=um_per_pixel,
        colours=cards.COLOURS,
        tta=decision.tta,
        recipe=training.recipe,
        initial_weights=training.initial_weights,
        source=Source(
            name=source.name,
            is_drawn=source.is_drawn,
            pixels=tables.pixels_hash(pd.read_parquet(inventory_path, columns=["sha1"])),
        ),
        num_training_patches=_num_learnt(trained, table),
        measured=Measured(**{name: _scored(part) for name, part in evaluation.parts.items()}),
        notes=tuple(notes),
        versions={name: version(name) for name in LIBRARIES},
        licence=f"{cards.LICENCE}{weights}.",
        files={
            cards.MODEL_NAME: files.sha256(model_path),
            cards.DECISION_NAME: files.sha256(decision_path),
        },
    )


def _training(trained: Sequence[Trained]) -> members.Training:
    """Return how all members were trained."""
    first, *others = trained
    for other in others:
        if other.training != first.training:
            key, other_key = (Member(each.seed, each.fold).key for each in (first, other))
            raise InputError(
                f"the members {key} and {other_key} were trained in different ways; expected one "
                "recipe for all. Run `dvc repro`, which trains again what section `train` asks for."
            )
    return first.training


def _num_learnt(trained: Sequence[Trained], table: pd.DataFrame) -> int:
    """Return the number of patches that at least one member learnt from."""
    known = [members.divide(table, Member(each.seed, each.fold)) for each in trained]
    return len({id_ for part in known for id_ in part.loc[part["split"] == "train", "id"]})


def _scored(part: Part) -> Scored:
    rates = {
        name: Rate(
            value=getattr(part, name),
            low=getattr(part.interval, name).low,
            high=getattr(part.interval, name).high,
        )
        for name in ("roc_auc", "sensitivity", "specificity")
    }
    return Scored(
        num_patches=part.num_patches, num_units=part.num_units, over=part.interval.over, **rates
    )
