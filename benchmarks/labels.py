"""How many wrong labels the geometry of overlapping patches proves, without a model.

It reads the outputs of ingest and validate (by default in `data/`). Labels of patches that overlap
others are flipped at random, and the contradictions are counted. A false alarm is a contradiction
in which no label was flipped.

Usage: python benchmarks/labels.py [FOLDER] [--shares S ...]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from metastasis import tables
from metastasis.patches import shards
from metastasis.regions import labelling

NUM_ROUNDS = 20


def labelled_regions(folder: Path) -> pd.DataFrame:
    """Return the labelled patches that overlap others, with their places and labels."""
    placed = shards.read_regions(folder / "patches")
    manifest = tables.read_patches(folder / "manifest.csv")
    return placed[placed["pool"] == "labelled"].merge(manifest[["id", "label"]], on="id")


def count(patches: pd.DataFrame, share: float, seed: int) -> dict[str, float]:
    """Flip a share of the labels; count what is found."""
    random = np.random.default_rng(seed)
    is_flipped = pd.Series(random.random(len(patches)) < share, patches["id"])
    flipped = patches.assign(label=patches["label"].to_numpy() ^ is_flipped.to_numpy())
    found = labelling.contradictions(flipped).merge(patches[["id", "region"]], on="id")
    is_wrong = found["id"].map(is_flipped).astype(bool)
    regions = found["region"].unique()
    with_flip = patches.loc[is_flipped.to_numpy(), "region"].unique()
    return {
        "flipped": int(is_flipped.sum()),
        "flipped_found": int(is_wrong.sum()),
        "listed": len(found),
        "false_alarms": len(set(regions) - set(with_flip)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("data"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    arguments = parser.parse_args()
    patches = labelled_regions(arguments.folder)
    sizes = patches["region"].value_counts()
    print(
        f"{len(patches):,} labelled patches overlap, in {len(sizes):,} regions; the largest has "
        f"{sizes.iloc[0]:,}. As they are: {len(labelling.contradictions(patches)):,} patches in "
        "contradictions."
    )
    for share in arguments.shares:
        counts = pd.DataFrame([count(patches, share, seed) for seed in range(NUM_ROUNDS)])
        mean = counts.mean()
        print(
            f"{share:.0%} flipped ({mean['flipped']:.1f} labels, the mean of {NUM_ROUNDS} rounds): "
            f"{mean['flipped_found'] / mean['flipped']:.1%} of them are in a contradiction, which "
            f"list {mean['listed']:.1f} patches; {counts['false_alarms'].sum()} false alarms"
        )


if __name__ == "__main__":
    main()
