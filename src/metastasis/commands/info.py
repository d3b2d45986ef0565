"""The command `metastasis info MODEL`: what a model takes, how it was made and how it scored."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from metastasis.base.errors import InputError
from metastasis.commands import screens
from metastasis.results import numbers

if TYPE_CHECKING:  # they take a second to import
    from metastasis.engines.engines import EngineName
    from metastasis.model_folder import ModelFolder, Network
    from metastasis.results.card import Card, Rate, Scored

UNREADABLE = 2  # exit code
FOLDER = Path("models")  # of a project
MEANING = (
    "tumour in the central 32x32 pixels of a patch of lymph node, stained with haematoxylin and "
    "eosin"
)
DRAWN = "whose patches were drawn: it has seen no tissue, and its numbers say nothing about it"
PLAIN = "the network has only plain layers, and runs no code"
SHOWN = ("epochs", "optimizer", "learning_rate", "batch_size", "geometry")  # of the recipe


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "info",
        help="check a model's folder, and show what it takes, how it was made and how it scored",
        epilog="Exit code: 0 the files are intact, 2 they aren't, or the folder holds no model.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        type=Path,
        default=FOLDER,
        help="folder with model.keras, decision.json and card.json, and exported/ if there are "
        f"exports; by default {FOLDER}",
    )
    parser.add_argument("--json", action="store_true", help="print the card itself")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check the folder, print its card and return the exit code."""
    from metastasis import model_folder  # noqa: PLC0415

    try:
        found = model_folder.read(arguments.model)
        exports = found.exports()
    except InputError as error:
        print(f"info: {error}", file=sys.stderr)
        return UNREADABLE
    if arguments.json:
        print(found.card.model_dump_json(indent=2))
    else:
        print(screens.lay_out(_rows(found, exports)))
    return 0


def _rows(found: "ModelFolder", exports: "Mapping[EngineName, Network]") -> Iterator[screens.Row]:
    """Yield what a reader has to know of a model, the most important first."""
    card = found.card
    yield "model", f"{found.folder}: {MEANING}\n{screens.RESEARCH}"
    if card.source.is_drawn:
        yield "drawn data", f"it learnt from {card.source.name}, {DRAWN}"
    yield "takes", _taken(card)
    yield "gives", _given(found)
    yield "network", _network(card)
    yield "trained", _trained(card)
    yield from _scores(card)
    for note in card.notes:
        yield "note", note
    yield "made with", ", ".join(f"{name} {number}" for name, number in card.versions.items())
    yield "licence", card.licence
    for engine, network in exports.items():
        yield "export", f"{network.path}, {network.bits} bits: for `predict --engine {engine}`"
    yield "files", f"intact: {' and '.join(card.files)} are those of this card; {PLAIN}"


def _taken(card: "Card") -> str:
    side, width = card.patch_size, card.patch_size * card.um_per_pixel
    size = card.input_size
    sees = "" if size == side else f"; it sees the central {size}x{size} pixels"
    return (
        f"patches of {side}x{side} pixels at {card.um_per_pixel:g} um a pixel ({width:.0f} um "
        f"wide), {card.colours}{sees}"
    )


def _given(found: "ModelFolder") -> str:
    decision = found.decision
    flips = " from the mean over the 8 flips and turns" if decision.tta == "d4" else ""
    scale = f"calibrated by a temperature of {decision.temperature:g}"
    lines = [
        f"the probability of tumour{flips}, {scale}",
        f"called tumour from a probability of {decision.threshold:g}",
    ]
    if sets := decision.sets:
        lines.append(
            f"a set of classes that holds a patch's own in {numbers.percent(sets.coverage)} of new "
            f"cases: tumour from {sets.tumour_from:g}, no tumour up to "
            f"{1 - sets.no_tumour_from:g}; a patch whose set holds both is left to a pathologist"
        )
    return "\n".join(lines)


def _network(card: "Card") -> str:
    if len(card.members) == 1:
        return f"{card.network}, seed {card.members[0].seed}"
    folds = sorted({member.fold for member in card.members})
    seeds = sorted({member.seed for member in card.members})
    return (
        f"{card.network}, an ensemble: the mean of {numbers.count(len(card.members), 'member')} "
        f"(seeds {', '.join(map(str, seeds))}; folds {', '.join(map(str, folds))})"
    )


def _trained(card: "Card") -> str:
    patches = numbers.count(card.num_training_patches, "patch", "patches")
    lines = [f"on {patches} of {card.source.name}"]
    recipe = [f"{name} {card.recipe[name]}" for name in SHOWN if name in card.recipe]
    lines.append(f"{', '.join(recipe)} (more: --json)")
    if card.initial_weights:
        lines.append(f"from the weights in {card.initial_weights.name}")
    return "\n".join(lines)


def _scores(card: "Card") -> Iterator[screens.Row]:
    """Yield the numbers of each part, test first, each with its 95 % interval."""
    parts = {"test": card.measured.test, "validation": card.measured.validation}
    for name, part in parts.items():
        if part:
            yield name, _scored(part)


def _scored(part: "Scored") -> str:
    from metastasis.scores import intervals  # noqa: PLC0415

    def shown(rate: "Rate") -> str:
        ends = numbers.interval(rate.low, rate.high, part.num_patches)
        return numbers.rate(rate.value, part.num_patches) + (f" (95 %: {ends})" if ends else "")

    units = numbers.count(part.num_units, intervals.SINGULAR[part.over], part.over)
    is_known = part.over in intervals.INDEPENDENT
    of = f" of {units}" if is_known else ", of slides that are mostly unknown"
    return (
        f"AUC {shown(part.roc_auc)} on {numbers.count(part.num_patches, 'patch', 'patches')}{of}\n"
        f"sensitivity {shown(part.sensitivity)}, specificity {shown(part.specificity)}"
    )
