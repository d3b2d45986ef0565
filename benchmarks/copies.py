"""Measure how many planted copies are found among patches, how many false ones, and how fast.

It reads the outputs of ingest (by default in `data/`), takes a sample of the patches and adds
copies in memory: exact ones; flipped or turned ones; and flipped or turned ones stored as JPEG.

Usage: python benchmarks/copies.py [FOLDER] [--patches N] [--copies N]
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from metastasis.formats import images
from metastasis.formats.images import Frames
from metastasis.hashes import copies, perceptual
from metastasis.patches import shards, symmetries
from metastasis.patches.shards import Patches, UInt8
from metastasis.split import grouping

QUALITIES = (None, 90, 75, 50)  # of the JPEG; None: no JPEG


def altered(patch: UInt8, quality: int | None, random: np.random.Generator) -> UInt8:
    """Return the patch in one of its seven other symmetries; `quality` is that of JPEG, if any."""
    element = int(random.integers(1, symmetries.NUM_ELEMENTS))
    turned = np.ascontiguousarray(symmetries.turn(patch[np.newaxis], element)[0])
    if quality is None:
        return turned
    _, encoded = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def plant(inventory: pd.DataFrame, patches: Patches, num_copies: int) -> pd.DataFrame:
    """Return the inventory of copies; the pixels of each kind are a shard of their own."""
    random = np.random.default_rng(0)
    kinds = {"exact": lambda patch: patch} | {
        f"turned, {f'JPEG {quality}' if quality else 'as it is'}": (
            lambda patch, quality=quality: altered(patch, quality, random)
        )
        for quality in QUALITIES
    }
    tables = []
    for number, (kind, change) in enumerate(kinds.items()):
        chosen = inventory.sample(num_copies, random_state=number)
        pixels = [change(patch) for patch in patches.take(shards.places(chosen))]
        found = images.inspect(pixels, np.empty((num_copies, 96, 96, 3), np.uint8), Frames())
        table = pd.DataFrame(found.measures).assign(
            kind=kind,
            original=chosen["id"].to_numpy(),
            perceptual_hash=found.hashes,
            shard=len(patches.maps) + number,
            row=np.arange(num_copies),
        )
        tables.append((table, found.patches))
    planted = pd.concat([table for table, _ in tables], ignore_index=True)
    planted.attrs["maps"] = tuple(pixels for _, pixels in tables)
    return planted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("data"))
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--copies", type=int, default=1_000, help="of each kind")
    arguments = parser.parse_args()
    patches = shards.read(arguments.folder / "patches")
    inventory = pd.read_parquet(arguments.folder / "inventory.parquet")
    usable = inventory[(inventory["flaw"] == "") & (inventory["std"] >= perceptual.FLAT_STD)]
    usable = usable.drop_duplicates("sha1")
    usable = usable.sample(min(arguments.patches, len(usable)), random_state=0)
    planted = plant(usable, patches, min(arguments.copies, len(usable)))
    everything = pd.concat([usable, planted], ignore_index=True)
    both = Patches(patches.index, patches.maps + planted.attrs["maps"])

    start = time.perf_counter()
    everywhere = copies.find(everything, both)
    links = grouping.Links(everywhere, np.empty((0, 2), np.int64))
    seconds = time.perf_counter() - start

    group = grouping.join(
        everything.assign(id=everything.index), everything.index.to_series(), links
    )
    home = pd.Series(group[: len(usable)].to_numpy(), usable["id"])
    is_found = group[len(usable) :].to_numpy() == home[planted["original"]].to_numpy()
    print(f"{len(usable):,} patches and {len(planted):,} copies, {seconds:.1f} s")
    for kind, found in pd.Series(is_found).groupby(planted["kind"], sort=False):
        print(f"{kind:20} {found.mean():.2%} of {len(found):,} found")
    alone = copies.find(usable.reset_index(drop=True), patches)
    print(f"false alarms, without copies: {len(alone.exact)} exact, {len(alone.near)} near")


if __name__ == "__main__":
    main()
