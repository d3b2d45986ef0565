"""What overlapping patches of a data set show: pairs, regions, leaks of a random split, labels.

It reads the outputs of ingest and validate (by default in `data/`).

With --jpeg, all patches are stored again as JPEG and searched again: how many pairs are still
found, and how many false ones? With --flips, labels of patches that overlap others are flipped at
random: how many of them are in a contradiction, which geometry finds without a model?

Usage: python benchmarks/regions.py [FOLDER] [--jpeg] [--flips]
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import tables
from metastasis.ingest import overlapping
from metastasis.patches import shards
from metastasis.patches.shards import CORNER, PATCH_SIZE, UInt8
from metastasis.regions import labelling

QUALITIES = (50, 75, 90, 95, 100)
SAMPLINGS = {  # the resolution of colours
    "half": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "full": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}
SHARES = (0.01, 0.05)  # of the labels
NUM_ROUNDS = 20
SEEDS, RANDOM_SPLIT = (1, 2, 3), {"train": 0.6, "validation": 0.2, "test": 0.2}


def describe(folder: Path, labels: pd.Series) -> None:
    """Print the numbers of pairs and regions, their labels, and what a random split does."""
    overlaps = shards.read_overlaps(folder / "patches")
    labelled = overlaps[(overlaps[["pool", "other_pool"]] == "labelled").all(axis=1)]
    ends = [labelled[name].to_numpy() for name in ("id", "other_id")]
    both = np.stack([labels.loc[ids] for ids in ends])
    num_positive = np.bincount(both.sum(axis=0), minlength=3)
    is_multiple = (overlaps[CORNER] % 16 == 0).all(axis=1)
    share = overlaps["share"]
    print(
        f"{len(overlaps):,} pairs, {len(labelled):,} of labelled patches; tumour in both "
        f"{num_positive[2]:,}, in neither {num_positive[0]:,}, in one {num_positive[1]:,}\n"
        f"shifts that are multiples of 16: {is_multiple.mean():.1%}; common area: "
        f"{share.min():.0%} to {share.max():.0%}, median {share.median():.0%}"
    )
    is_in_pair = labels.index.isin(np.concatenate(ends))
    for label, name in ((1, "with"), (0, "without")):
        found = is_in_pair[labels == label]
        print(
            f"{found.sum():,} of {len(found):,} patches {name} tumour overlap ({found.mean():.0%})"
        )
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        parts = random.choice(list(RANDOM_SPLIT), len(labels), p=list(RANDOM_SPLIT.values()))
        part = pd.Series(parts, labels.index)
        first, second = (part.loc[ids].to_numpy() for ids in ends)
        on_train = {
            *ends[0][(first != "train") & (second == "train")],
            *ends[1][(second != "train") & (first == "train")],
        }
        print(
            f"random split, seed {seed}: {(first != second).sum():,} pairs in two parts; "
            f"{len(on_train):,} of {(part != 'train').sum():,} validation and test patches overlap "
            "training"
        )


def recall_after_jpeg(folder: Path) -> None:
    """Print how many pairs are found after JPEG, and how many that weren't there before."""
    patches = shards.read(folder / "patches")
    places = shards.places(patches.index)
    pixels = patches.take(places)
    before = pairs(overlapping.find(patches, places))
    for quality, (name, sampling) in itertools.product(QUALITIES, SAMPLINGS.items()):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        stored = np.array([as_jpeg(patch, options) for patch in pixels])
        with tempfile.TemporaryDirectory() as out:
            writer = shards.Writer(Path(out), PATCH_SIZE)
            again = writer.extend(stored)
            writer.close()
            index = patches.index.copy()
            index[shards.PLACE] = again
            shards.write_index(Path(out), index)
            after = pairs(overlapping.find(shards.read(Path(out)), again))
        print(
            f"JPEG at quality {quality}, colours at {name} resolution: {len(before & after):,} of "
            f"{len(before):,} pairs found, {len(after - before):,} others"
        )


def as_jpeg(patch: UInt8, options: list[int]) -> UInt8:
    """Store an RGB patch as JPEG and decode it."""
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(patch[:, :, ::-1]), options)
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]


def pairs(found: NDArray[np.int64]) -> set[tuple[int, ...]]:
    """Return pairs with their shifts as a set, without copies: equal patches have no shift."""
    return {tuple(row) for row in found.tolist() if any(row[2:])}


def count_flips(patches: pd.DataFrame, share: float, seed: int) -> dict[str, int]:
    """Flip a share of the labels; count what is found."""
    random = np.random.default_rng(seed)
    is_flipped = pd.Series(random.random(len(patches)) < share, patches["id"])
    flipped = patches.assign(label=patches["label"].to_numpy() ^ is_flipped.to_numpy())
    found = list(labelling.covered(flipped))
    flips = set(is_flipped.index[is_flipped])
    return {
        "flipped": len(flips),
        "found": len(found),
        "in_one": len(flips & {id_ for positive, ids in found for id_ in (positive, *ids)}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("data"))
    parser.add_argument("--jpeg", action="store_true")
    parser.add_argument("--flips", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder
    labels = tables.read_patches(folder / "manifest.csv").set_index("id")["label"]
    describe(folder, labels)
    placed = shards.read_regions(folder / "patches").query("pool == 'labelled'")
    patches = placed.merge(labels.reset_index(), on="id")
    sizes = patches["region"].value_counts()
    print(
        f"{len(patches):,} labelled patches in {len(sizes):,} regions; the largest has "
        f"{sizes.iloc[0]:,}; {len(labelling.contradictions(patches)):,} in contradictions"
    )
    if arguments.jpeg:
        recall_after_jpeg(folder)
    for share in SHARES if arguments.flips else ():
        counts = pd.DataFrame([count_flips(patches, share, seed) for seed in range(NUM_ROUNDS)])
        mean = counts.mean()
        print(
            f"{share:.0%} flipped ({mean['flipped']:.1f} labels, the mean of {NUM_ROUNDS} rounds): "
            f"{mean['found']:.1f} contradictions, in which are "
            f"{mean['in_one'] / mean['flipped']:.1%} of the flipped labels"
        )


if __name__ == "__main__":
    main()
