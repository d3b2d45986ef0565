"""Divides the manifest into train, validation and test, keeps groups whole and counts leaks.

`grouping` finds the patches that belong together; `dealing` deals the groups evenly.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metastasis import plotting, stains, tables
from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.hashes import copies
from metastasis.patches import shards
from metastasis.results.parts import PartSize, SplitMetrics
from metastasis.split import dealing, grouping, split_figures
from metastasis.split.grouping import Links
from metastasis.split.split_params import SplitParams
from metastasis.tables import SPLITS, UNITS

LARGE_GROUP_SHARE = 0.2  # of all patches: with a larger group a split can hardly be balanced
MAX_SIZE_ERROR, MAX_BALANCE_ERROR = 0.02, 0.01  # of all patches, of a split's: more is reported
COLUMNS = ("id", "label", "slide", "patient", "region", "group", "split", "fold")
MEASURES = (
    "id", "shard", "row", "std", "sha1", "perceptual_hash", *stains.COLOURS,
)  # fmt: skip


def split(
    params: SplitParams,
    manifest_path: Path,
    inventory_path: Path,
    shards_folder: Path,
    *,
    split_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Write the split of every patch of the manifest, its numbers and its plots.

    The split has the columns id, label, slide, patient_name, region (the first id of the patches
    that overlaps and copies connect), group, split and fold (empty without folds).

    Raises:
        InputError: no split of these groups gives every part both classes, official splits are
            requested but missing, or slides are kept whole and there is a leak all the same.
    """
    table = _read(manifest_path, inventory_path)
    links = Links(
        copies.find(table, shards.read(shards_folder)),
        grouping.find_overlaps(table, shards.read_overlaps(shards_folder)),
    )
    table["region"] = grouping.join(table, table["id"], links)
    table["group"] = _group(params, table, links)
    table = _take_official(table) if params.official else assign(params, table)
    metrics = describe(table, links)
    records.write_metrics(metrics_path, _compared(params.groups, metrics))
    files.write_csv(plots_folder / "parts.csv", _described(table, metrics))
    _tell(params, metrics)
    tables.write_patches(split_path, table[list(COLUMNS)])
    _plot(table, links, plots_folder)


def _read(manifest_path: Path, inventory_path: Path) -> pd.DataFrame:
    """Return the manifest, sorted by id, with the measures of each patch."""
    inventory = pd.read_parquet(
        inventory_path, columns=list(MEASURES), filters=[("pool", "==", "labelled")]
    )
    manifest = tables.read_patches(manifest_path).drop_duplicates()
    repeated = manifest.loc[manifest["id"].duplicated(), "id"]
    if len(repeated):
        raise InputError(
            f"{manifest_path} lists {len(repeated):,} ids with different rows "
            f"({repeated.iloc[0]}); expected one label and one slide for each."
        )
    return manifest.merge(inventory, on="id").sort_values("id", ignore_index=True)


def _group(params: SplitParams, table: pd.DataFrame, links: Links) -> pd.Series:
    if params.groups == "patch":
        return "patch:" + table["id"]
    if params.groups == "stain":
        return grouping.by_stain(table, params.seed)
    return grouping.join(table, grouping.by_unit(table), links)


def assign(params: SplitParams, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table (id, label, group) with the columns split and fold.

    With folds, the patches outside test are dealt to the folds. Each may validate a member of
    `train`; where a stage needs one validation part, it is fold 0.

    Raises:
        InputError: no split of these groups gives every part both classes.
    """
    random = np.random.default_rng(params.seed)
    if params.folds is None:
        return table.assign(split=_divide(table, _asked(params), random), fold="")
    without_folds = params.model_copy(update={"folds": None})  # test is the same with any folds
    is_test = _divide(table, _asked(without_folds), random) == "test"
    names = {str(number): 1 / params.folds for number in range(params.folds)}
    fold = pd.Series("", table.index, dtype="str")
    fold[~is_test] = _divide(table[~is_test], names, random)
    is_validation = fold == "0"
    split = np.select([is_test, is_validation], ["test", "validation"], "train")
    return table.assign(split=split, fold=fold)


def _asked(params: SplitParams) -> dict[str, float]:
    """Return the requested share of each split."""
    rest = 1 - params.test
    validation = params.validation if params.folds is None else rest / params.folds
    return {"train": rest - validation, "validation": validation, "test": params.test}


def _divide(
    table: pd.DataFrame, shares: dict[str, float], random: np.random.Generator
) -> pd.Series:
    """Return the part of each row, one of the names in `shares`; groups are kept whole."""
    positive = table.groupby("group")["label"].agg(["size", "sum"])
    counts = np.column_stack([positive["size"] - positive["sum"], positive["sum"]]).astype(np.int64)
    _check(counts, list(shares))
    wanted = np.array(list(shares.values()))
    parts = dealing.deal(counts, wanted, random)
    part = table["group"].map(pd.Series(np.array(list(shares))[parts], positive.index))
    _check_parts(
        table["label"].groupby(part).agg(["size", "nunique"]),
        list(shares),
        "The groups are too few or too unequal for split.validation and split.test: choose larger "
        "shares, another split.seed, or add slides.",
    )
    return part


def _take_official(table: pd.DataFrame) -> pd.DataFrame:
    num_unknown = int(table["official"].isna().sum())
    if num_unknown:
        raise InputError(
            f"split.official: {num_unknown:,} of {len(table):,} patches have no official split; "
            "expected one for each, in a column `split` of the slide map. Set split.official: "
            "false to divide the patches here."
        )
    table = table.assign(split=table["official"], fold="")
    found = table.groupby("split")["label"].agg(["size", "nunique"])
    _check_parts(
        found,
        ["train", "validation", *found.index.intersection(["test"])],
        "These are the source's own splits (split.official: true): add the files of this part, or "
        "set split.official: false to divide the patches here.",
    )
    return table


def describe(table: pd.DataFrame, links: Links) -> dict[str, Any]:
    """Return counts and shares of each split, the leaks, and whether slides are kept whole.

    `unit` is the coarsest unit that is known for every patch.
    """
    metrics: dict[str, Any] = {
        name: {
            "num_patches": len(part),
            **{f"num_{unit}s": int(part[unit].nunique()) for unit in UNITS if unit in part},
            "num_groups": int(part["group"].nunique()),
            "share": len(part) / len(table),
            "positive_share": float(part["label"].mean()),
        }
        for name, part in _parts(table).items()
    }
    return metrics | {
        "leaks": grouping.leaks(table, links, SPLITS),
        "num_exact_copies": len(links.copies.exact),
        "num_near_copies": len(links.copies.near),
        "num_overlaps": len(links.overlaps),
        **_regions(table["region"]),
        "num_flat": links.copies.num_flat,
        "largest_group_share": float(table["group"].value_counts().iloc[0] / len(table)),
        **tables.disjointness(table),
    }


def _regions(names: pd.Series) -> dict[str, int]:
    """Return the number of regions of several patches, and the patches of the largest region."""
    sizes = names.value_counts()
    return {"num_regions": int((sizes > 1).sum()), "largest_region": int(sizes.iloc[0])}


def _compared(groups: str, metrics: dict[str, Any]) -> SplitMetrics:
    """Return the metrics that are compared between splits."""
    chosen = {name: metrics[name] for name in SplitMetrics.model_fields if name in metrics}
    for name in set(SPLITS) & set(chosen):
        chosen[name] = {key: chosen[name][key] for key in PartSize.model_fields}
    return SplitMetrics(groups=groups, **chosen)


def _described(table: pd.DataFrame, metrics: dict[str, Any]) -> pd.DataFrame:
    """Return a row for each part: its counts, its shares and the patches of its largest group."""
    rows = [
        {"split": name, **metrics[name], "largest_group": int(part["group"].value_counts().iloc[0])}
        for name, part in _parts(table).items()
    ]
    return pd.DataFrame(rows)


def _parts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    parts = {name: table[table["split"] == name] for name in SPLITS}
    return {name: part for name, part in parts.items() if len(part)}


def _tell(params: SplitParams, metrics: dict[str, Any]) -> None:
    """Print warnings and facts that a reader of the metrics needs.

    Raises:
        InputError: slides are to be kept whole, but a slide or a copy is in two splits.
    """
    leaks = metrics["leaks"]
    texts = {
        "num_patients": "patients",
        "num_slides": "slides",
        "num_exact_copies": "pairs of exact copies",
        "num_near_copies": "pairs of near copies",
        "num_overlaps": "pairs of overlapping patches",
    }
    counts = [f"{leaks[name]:,} {text}" for name, text in texts.items() if leaks.get(name)]
    found = f"{', '.join(counts)} are in more than one split"
    if leaks["num_patches_on_train"]:
        found += f" ({leaks['num_patches_on_train']:,} patches overlap training)"
    if any(leaks.values()) and params.groups == "slide" and not params.official:
        raise InputError(f"split: {found}, although slides and copies should be kept whole.")
    share = metrics["largest_group_share"]
    if share > LARGE_GROUP_SHARE and params.groups != "patch":
        print(
            f"warning: split: one group holds {share:.0%} of the patches. Copies may have joined "
            "slides; the column `group` of data/split.csv lists its patches."
        )
    if not params.official:
        _tell_missed(_asked(params), metrics)
    if any(leaks.values()):
        print(f"warning: split: {found}; the numbers are optimistic")
    if params.groups == "slide" and not params.official and metrics["unit"] != "patch":
        has_more = metrics["unit"] == "slide" and "num_patients" in leaks
        more = ", and so is each known patient" if has_more else ""
        print(f"split: each {metrics['unit']} is kept whole{more}")
    if not metrics["slide_disjoint"]:
        print("split: slides are unknown or shared; metrics say slide_disjoint: false")


def _tell_missed(asked: dict[str, float], metrics: dict[str, Any]) -> None:
    """Print which splits differ from the request in size or class balance, and why."""
    overall = sum(metrics[name]["share"] * metrics[name]["positive_share"] for name in asked)
    for name, share in asked.items():
        found, positive = metrics[name]["share"], metrics[name]["positive_share"]
        if abs(found - share) > MAX_SIZE_ERROR or abs(positive - overall) > MAX_BALANCE_ERROR:
            print(
                f"warning: split: {name} holds {found:.1%} of the patches ({share:.1%} requested), "
                f"{positive:.1%} of them positive ({overall:.1%} of all are). Groups are kept "
                f"whole, and the largest holds {metrics['largest_group_share']:.1%}."
            )


def _plot(table: pd.DataFrame, links: Links, plots_folder: Path) -> None:
    parts = _parts(table)
    balance = {
        name: (int((part["label"] == 0).sum()), int((part["label"] == 1).sum()))
        for name, part in parts.items()
    }
    plotting.save(split_figures.split_balance(balance), plots_folder / "balance.png")
    sizes = {
        name: part["slide"].value_counts().sort_values().to_numpy() for name, part in parts.items()
    }
    if any(len(values) for values in sizes.values()):
        plotting.save(split_figures.slide_sizes(sizes), plots_folder / "slides.png")
    shared = {pair: grouping.leaks(table, links, pair) for pair in combinations(parts, 2)}
    plotting.save(split_figures.leaks(shared), plots_folder / "leaks.png")


def _check(counts: dealing.Counts, names: list[str]) -> None:
    for value, label in enumerate(("negative", "positive")):
        num_groups = int((counts[:, value] > 0).sum())
        if num_groups < len(names):
            raise InputError(
                f"split: {num_groups} groups (patients or slides, or patches of unknown ones) hold "
                f"{label} patches; expected at least {len(names)}, one for each of "
                f"{', '.join(names)}. Add slides, use fewer folds, or leave the slide map out to "
                "split by patch."
            )


def _check_parts(found: pd.DataFrame, names: list[str], advice: str) -> None:
    """Raise if a part lacks a class; `found` has the part's size and its number of labels."""
    for name, size, num_classes in found.reindex(names, fill_value=0).itertuples():
        if num_classes < 2:  # noqa: PLR2004  # classes
            raise InputError(
                f"split: {name} got {size} patches of {num_classes} classes; expected both. "
                f"{advice}"
            )
