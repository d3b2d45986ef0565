"""Compare the AUC that each way of splitting claims with the AUC on unseen slides.

It reads the outputs of ingest and validate (by default in `data/`). Some slides are set aside
first: those of the official splits other than train if there are any, otherwise half of the slides.
If no slide is known, none is set aside. The rest is split by patch, by stain, by region (as if no
slide were known: only overlapping patches and copies are kept together) and, if slides are known,
by slide. Each split trains the same network with the project's params and claims an AUC on its own
test part. The slides set aside give the AUC on unseen slides.

Usage: python benchmarks/leakage.py [FOLDER] [--seeds N ...] [--ways WAY ...] [--set KEY=VALUE ...]
"""

import argparse
import contextlib
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit

from metastasis import tables
from metastasis.base import files, params
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.patches.shards import Patches
from metastasis.scores import scoring
from metastasis.split import splitting
from metastasis.split.split_params import SplitParams
from metastasis.train import training
from metastasis.train.train_params import Recipe

UNSEEN_SHARE = 0.5  # of the slides, if there are no official splits
WAYS = ("patch", "stain", "region", "slide")


@dataclass(frozen=True)
class Result:
    """One network's AUC on its own test part, and on unseen slides."""

    way: str
    seed: int
    claimed: float
    unseen: float  # NaN if no slide is set aside


def set_aside(manifest: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the patches to split, and the patches of the slides set aside."""
    if manifest["official"].notna().all():
        is_seen = manifest["official"] == "train"
        return manifest[is_seen], manifest[~is_seen]
    if manifest["slide"].isna().any():
        return manifest, manifest[:0]
    divided = GroupShuffleSplit(1, test_size=UNSEEN_SHARE, random_state=seed)
    seen, unseen = next(divided.split(manifest, groups=manifest["slide"]))
    return manifest.iloc[seen], manifest.iloc[unseen]


def measure(
    folder: Path,
    manifest: pd.DataFrame,
    way: str,
    split_params: SplitParams,
    recipe: Recipe,
) -> Result:
    """Split, train and score in a temporary folder."""
    seen, unseen = set_aside(manifest, split_params.seed)
    if way == "region":
        seen = seen.assign(slide=None, patient=None)
    groups = "slide" if way == "region" else way
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        here = Path()
        files.write_csv(here / "manifest.csv", seen.assign(official=""))
        splitting.split(
            split_params.model_copy(update={"groups": groups}),
            here / "manifest.csv",
            folder / "inventory.parquet",
            folder / "patches",
            split_path=here / "split.csv",
            metrics_path=here / "split.json",
            plots_folder=here / "plots",
        )
        training.train(
            recipe,
            Member(split_params.seed, fold=0),
            here / "split.csv",
            folder / "patches",
            network_path=here / "network.keras",
            record_path=here / "network.json",
            log_folder=here / "log",
        )
        split = tables.read_patches(here / "split.csv")
        patches = shards.read(folder / "patches")
        claimed, truth = (
            _auc(here / "network.keras", patches, part)
            for part in (split[split["split"] == "test"], unseen)
        )
    return Result(way, split_params.seed, claimed, truth)


def _auc(network_path: Path, patches: Patches, part: pd.DataFrame) -> float:
    if not len(part):
        return math.nan
    rows = patches.locate(part["id"], "labelled")
    return float(roc_auc_score(part["label"], scoring.score(network_path, patches, rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--set", nargs="+", default=[], help="params of train, as KEY=VALUE")
    arguments = parser.parse_args()
    pairs = (argument.split("=") for argument in arguments.set)
    changes = {key: YAML(typ="safe").load(value) for key, value in pairs}
    split_params = params.read("split", SplitParams)
    recipe = params.read_some("train", Recipe)
    manifest = tables.read_patches(arguments.folder / "manifest.csv")
    ways = [way for way in arguments.ways if way != "slide" or manifest["slide"].notna().all()]
    results = []
    for seed in arguments.seeds:
        for way in ways:
            result = measure(
                arguments.folder.resolve(),
                manifest,
                way,
                split_params.model_copy(update={"seed": seed}),
                Recipe(**{**recipe.model_dump(), **changes}),
            )
            results.append(asdict(result))
            print(result, flush=True)
    table = pd.DataFrame(results).assign(optimism=lambda x: x["claimed"] - x["unseen"])
    means = table.groupby("way", sort=False)[["claimed", "unseen", "optimism"]]
    print(means.agg(["mean", "sem"]).round(4).to_string())
    _compare(table)


def _compare(table: pd.DataFrame) -> None:
    """Print how much more a split by patch claims than the others, with the 95 % t-interval."""
    claimed = table.pivot_table(index="seed", columns="way", values="claimed")
    for way in claimed.columns.drop("patch", errors="ignore"):
        if "patch" in claimed and len(claimed) > 1:
            more = claimed["patch"] - claimed[way]
            low, high = stats.ttest_1samp(more, 0).confidence_interval()
            print(f"claimed, patch - {way}: {more.mean():+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main()
