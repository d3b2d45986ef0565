"""Defines the members of an ensemble, which patches each may learn from, and who may judge them.

`training` trains a member, `member_scores` scores with it, and `combining` averages their scores.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field, NonNegativeInt

from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.base.params import Section, Seed

Setting = str | int | float | bool | None  # a value of a param

# An output of a member: a key, an ending or none; a killed process may leave a part of it.
_FILE = re.compile(r"(?:partial-)?(\d+-\d+)(\.\w+)?")


def _different(values: list[int]) -> list[int]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(
            f"names {', '.join(map(str, twice))} twice; each names a member, so they must differ"
        )
    return values


class MemberParams(Section):
    """The seeds and folds of section `train`: each seed with each fold is a member."""

    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(_different)]
    folds: Annotated[list[NonNegativeInt], Field(min_length=1), AfterValidator(_different)]

    @property
    def members(self) -> list["Member"]:
        """The members, in the order in which DVC trains them."""
        return [Member(seed, fold) for seed in self.seeds for fold in self.folds]


@dataclass(frozen=True)
class Member:
    """A network of the ensemble: its seed, and the fold that validates it (0 without folds)."""

    seed: int
    fold: int

    @property
    def key(self) -> str:
        """The name of its files and, after @, of its stages: DVC's key in a matrix."""
        return f"{self.seed}-{self.fold}"


class InitialWeights(records.Record, frozen=True):
    """The file of weights that a network started from."""

    name: str  # without its folder
    sha256: str


class Training(records.Record, frozen=True):
    """How a network was trained, for the card of the final model."""

    recipe: dict[str, Setting]  # section `train` but for seeds, folds and the path of weights
    initial_weights: InitialWeights | None  # None: random ones

    @property
    def network(self) -> str:
        """The name of the network."""
        return str(self.recipe["model"])


class Trained(records.Record, frozen=True):
    """models/members/SEED-FOLD.json: which network was trained on which patches, and how."""

    seed: int
    fold: int
    num_patches: int
    patches: str  # SHA-256 of the ids that it trained on
    network: str  # SHA-256 of its file
    training: Training


def divide(split: pd.DataFrame, member: Member) -> pd.DataFrame:
    """Return the split (id, split, fold) as `member` knows it: with folds, its own validates.

    Raises:
        InputError: the split has no such fold.
    """
    folds = set(split["fold"]) - {""} if "fold" in split else set()
    if str(member.fold) not in (folds or {"0"}):
        found = f"the folds {', '.join(sorted(folds, key=int))}" if folds else "no folds"
        raise InputError(
            f"member {member.key} needs fold {member.fold}, and the split has {found}. Choose "
            "train.folds among them, or set split.folds."
        )
    if not folds:
        return split
    is_own = split["fold"] == str(member.fold)
    part = pd.Series("train", split.index).mask(is_own, "validation")
    return split.assign(split=part.mask(split["fold"] == "", split["split"]))


def unseen(split: pd.DataFrame, member: Member) -> pd.DataFrame:
    """Return the rows of the split that `member` may score: its validation patches and test."""
    divided = divide(split, member)
    return divided[divided["split"] != "train"]


def record(member: Member, ids: pd.Series, network_path: Path, training: Training) -> Trained:
    """Return the record of the network at `network_path` that `member` trained on these `ids`."""
    listed = "\n".join(sorted(ids))
    return Trained(
        seed=member.seed,
        fold=member.fold,
        num_patches=len(ids),
        patches=hashlib.sha256(listed.encode()).hexdigest(),
        network=files.sha256(network_path),
        training=training,
    )


def require_own(
    split: pd.DataFrame, member: Member, network_path: Path, record_path: Path
) -> Trained:
    """Return the record of the network, which was trained as `member` on this split.

    Raises:
        InputError: it wasn't, so that it may know the patches that it is to score.
    """
    divided = divide(split, member)
    ids = divided.loc[divided["split"] == "train", "id"]
    found = records.read(record_path, Trained)
    expected = record(member, ids, network_path, found.training)
    fields = zip(Trained.model_fields, found, expected, strict=True)
    if wrong := [name for name, before, now in fields if before != now]:
        raise InputError(
            f"{network_path} isn't the network that was trained as member {member.key}: "
            f"{record_path} has another value of {', '.join(wrong)} than expected. It may have "
            "trained on the patches that it is to score. Run `dvc repro "
            f"train@{member.key}`, and let nothing but DVC write these files."
        )
    return found


def remove_others(folders: Iterable[Path], chosen: Iterable[Member], stage: str) -> None:
    """Remove from `folders` the outputs of members that aren't `chosen`, and say so for `stage`.

    DVC leaves them there, and records a folder of all members with all that lies in it.
    """
    keys = {member.key for member in chosen}
    removed = set()
    for path in {path for folder in folders if folder.is_dir() for path in folder.iterdir()}:
        name = _FILE.fullmatch(path.name)
        if name and name[1] not in keys:
            removed.add(name[1])
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    if removed:
        print(
            f"{stage}: removed the outputs of member {', '.join(sorted(removed))}, which "
            "train.seeds and train.folds don't name; DVC's cache keeps those that DVC recorded"
        )
