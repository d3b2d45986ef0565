"""Divides the manifest into train, validation and test: groups whole, classes and sizes balanced.

Patches of one slide are a group; a patch without a slide is a group of its own.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from metastasis import files, plotting, tables
from metastasis.errors import InputError
from metastasis.params import Section, Seed
from metastasis.tables import SPLITS

NUM_STRATA = 4
MAX_REFINED_GROUPS = 500  # the largest ones: the table of all their swaps stays small

Share = Annotated[float, Field(gt=0, lt=1)]
Counts = NDArray[np.int64]


class SplitParams(Section):
    """The shares of validation and test; the rest trains."""

    seed: Seed
    validation: Share
    test: Share

    @model_validator(mode="after")
    def _leaves_training(self) -> "SplitParams":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave a share for training")
        return self


def split(
    params: SplitParams,
    manifest_path: Path,
    *,
    split_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Write the split of every patch of the manifest, its numbers and its plot.

    Raises:
        InputError: no split of these groups gives every part both classes.
    """
    manifest = tables.read_patches(manifest_path)
    table = assign(manifest, params.validation, params.test, params.seed)
    files.write_csv(split_path, table)
    files.write_json(metrics_path, describe(table))
    balance = {
        name: (int((part["label"] == 0).sum()), int((part["label"] == 1).sum()))
        for name, part in _parts(table).items()
    }
    plotting.save(plotting.split_balance(balance), plots_folder / "balance.png")


def assign(manifest: pd.DataFrame, validation: float, test: float, seed: int) -> pd.DataFrame:
    """Return the manifest (id, label, slide), sorted by id, with the columns group and split.

    The same for any order of the rows. Groups start dealt at random within strata of their share
    of positives; then single moves and swaps bring sizes and class balance to what was asked.

    Raises:
        InputError: no split of these groups gives every part both classes.
    """
    table = manifest.sort_values("id", ignore_index=True)
    table["group"] = table["slide"].where(table["slide"].notna(), "patch:" + table["id"])
    positive = table.groupby("group")["label"].agg(["size", "sum"])
    counts = np.column_stack([positive["size"] - positive["sum"], positive["sum"]]).astype(np.int64)
    shares = np.array([1 - validation - test, validation, test])
    _check(counts)
    parts = _refine(counts, shares, _deal(counts, shares, np.random.default_rng(seed)))
    names = pd.Series(np.array(SPLITS)[parts], index=positive.index)
    table["split"] = table["group"].map(names)
    _check_parts(table)
    return table[["id", "label", "slide", "group", "split"]]


def describe(table: pd.DataFrame) -> dict[str, Any]:
    """Return counts and shares of each split, and whether slides are kept whole."""
    metrics: dict[str, Any] = {
        name: {
            "num_patches": len(part),
            "num_slides": int(part["slide"].nunique()),
            "share": len(part) / len(table),
            "positive_share": float(part["label"].mean()),
        }
        for name, part in _parts(table).items()
    }
    return metrics | {"slide_disjoint": tables.is_slide_disjoint(table)}


def _parts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {name: table[table["split"] == name] for name in SPLITS}


def _check(counts: Counts) -> None:
    for value, name in enumerate(("negative", "positive")):
        num_groups = int((counts[:, value] > 0).sum())
        if num_groups < len(SPLITS):
            raise InputError(
                f"split: {num_groups} groups (slides, or patches without a slide) hold {name} "
                f"patches; expected at least {len(SPLITS)}, one for each of {', '.join(SPLITS)}. "
                "Add slides, or leave the slide map out to split by patch."
            )


def _check_parts(table: pd.DataFrame) -> None:
    for name, part in _parts(table).items():
        if part["label"].nunique() < 2:  # noqa: PLR2004  # classes
            raise InputError(
                f"split: {name} got {len(part)} patches of {part['label'].nunique()} classes; "
                "expected both. The groups are too few or too unequal for split.validation and "
                "split.test: choose larger shares, another split.seed, or add slides."
            )


def _deal(counts: Counts, shares: NDArray[np.float64], random: np.random.Generator) -> Counts:
    """Deal the groups of each stratum in random order: to the first part its share, and so on."""
    positive_share = counts[:, 1] / counts.sum(axis=1)
    stratum = np.ceil(positive_share * (NUM_STRATA - 1))
    parts = np.empty(len(counts), np.int64)
    for value in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum == value))
        ends = np.cumsum(counts[members].sum(axis=1))
        # The middle of each group on a line of all patches says which part it falls into.
        middles = (ends - counts[members].sum(axis=1) / 2) / ends[-1]
        parts[members] = np.searchsorted(np.cumsum(shares)[:-1], middles, side="right")
    return parts


def _refine(counts: Counts, shares: NDArray[np.float64], parts: Counts) -> Counts:
    """Make the best move or swap of groups until none brings the parts nearer to `shares`."""
    scaled = counts / counts.sum(axis=0)  # each class counts the same
    moved = np.argsort(-counts.sum(axis=1), kind="stable")[:MAX_REFINED_GROUPS]
    while True:
        off = np.stack([scaled[parts == part].sum(axis=0) for part in range(len(shares))])
        off -= shares[:, np.newaxis]
        gain, first, second, target = _best_exchange(scaled[moved], parts[moved], off)
        if gain < 1e-12:  # noqa: PLR2004  # rounding
            return parts
        if second >= 0:
            parts[moved[second]] = parts[moved[first]]
        parts[moved[first]] = target


def _best_exchange(
    scaled: NDArray[np.float64], parts: Counts, off: NDArray[np.float64]
) -> tuple[float, int, int, int]:
    """Return the best exchange: gain, group, the group it swaps with (-1: a move), target."""
    best = (0.0, -1, -1, -1)
    for target in range(len(off)):
        others = np.flatnonzero(parts != target)
        partners = np.append(np.flatnonzero(parts == target), -1)
        given = np.where(partners[:, np.newaxis] >= 0, scaled[partners], 0.0)
        flow = scaled[others][:, np.newaxis] - given[np.newaxis]  # into target, out of the source
        before = (off[parts[others]] ** 2).sum(axis=1)[:, np.newaxis] + (off[target] ** 2).sum()
        after = ((off[parts[others]][:, np.newaxis] - flow) ** 2).sum(axis=2)
        after += ((off[target] + flow) ** 2).sum(axis=2)
        gains = before - after
        index = np.unravel_index(int(gains.argmax()), gains.shape) if gains.size else None
        if index is not None and gains[index] > best[0]:
            best = (float(gains[index]), int(others[index[0]]), int(partners[index[1]]), target)
    return best
