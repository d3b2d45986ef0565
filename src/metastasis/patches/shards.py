"""Stores patches on disk: uint8 .npy shards, and an index that says which patch each row holds.

It doesn't look at the pixels; the stages do.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Pool = Literal["labelled", "unlabelled"]  # predict scores the second
UInt8 = NDArray[np.uint8]
Places = NDArray[np.integer]  # (n, 2): shard and row of each patch

PATCH_SIZE = 96  # pixels
CENTRE_SIZE = 32  # pixels: the label is about the central 32x32
SHARD_ROWS = 4096  # 108 MiB of 96x96 RGB: few files for DVC, and small enough to hold one in memory
INDEX_NAME = "index.parquet"
OVERLAPS_NAME, REGIONS_NAME = "overlaps.parquet", "regions.parquet"
# Of patches that share pixels: the other's corner lies down and right of the first's, in pixels;
# the share is that of a patch's area.
OVERLAP_COLUMNS = ("pool", "id", "other_pool", "other_id", "down", "right", "share")
# Of patches in regions: each patch's corner lies down and right of the region's, in pixels.
REGION_COLUMNS = ("region", "pool", "id", "down", "right")
PATCH, CORNER = ["pool", "id"], ["down", "right"]  # columns that name a patch, and its place
PLACE = ["shard", "row"]  # columns of the index


def centre(size: int, inner: int = CENTRE_SIZE) -> slice:
    """Return the slice of rows, or columns, that are the central `inner` of `size` pixels."""
    start = (size - inner) // 2
    return slice(start, start + inner)


@dataclass(frozen=True)
class Patches:
    """The patches of one folder, memory-mapped: pixels are loaded only when they are taken.

    `index` has the columns pool, id, shard and row; `maps` holds one (n, size, size, 3) uint8 array
    per shard, RGB.
    """

    index: pd.DataFrame
    maps: tuple[UInt8, ...]

    @property
    def size(self) -> int:
        """The side of a patch in pixels."""
        return int(self.maps[0].shape[1])

    def locate(self, ids: pd.Series, pool: Pool) -> Places:
        """Return the place of each id, in the order of `ids`.

        Raises:
            KeyError: an id has no patch in this pool.
        """
        pooled = self.index[self.index["pool"] == pool].set_index("id")
        return places(pooled.loc[ids])

    def take(self, places: Places) -> UInt8:
        """Return the patches at `places` as (n, size, size, 3) uint8, RGB."""
        patches = np.empty((len(places), self.size, self.size, 3), np.uint8)
        for shard in np.unique(places[:, 0]):
            chosen = places[:, 0] == shard
            patches[chosen] = self.maps[shard][places[chosen, 1]]
        return patches


def places(index: pd.DataFrame) -> Places:
    """Return the places of the rows of an index, or of an inventory."""
    return index[PLACE].to_numpy(np.int64)


def read(folder: Path) -> Patches:
    """Open the shards of `folder`."""
    index = pd.read_parquet(folder / INDEX_NAME)
    maps = tuple(np.load(path, mmap_mode="r") for path in paths(folder))
    return Patches(index, maps)


def paths(folder: Path) -> list[Path]:
    """Return the shard files of `folder` in the order of their numbers."""
    return sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))


def write_index(folder: Path, index: pd.DataFrame) -> None:
    """Write the index: the (shard, row) of each (pool, id)."""
    index[["pool", "id", *PLACE]].to_parquet(folder / INDEX_NAME, index=False)


def write_overlaps(folder: Path, overlaps: pd.DataFrame) -> None:
    """Write the pairs of patches that overlap, a row each with `OVERLAP_COLUMNS`."""
    overlaps[list(OVERLAP_COLUMNS)].to_parquet(folder / OVERLAPS_NAME, index=False)


def read_overlaps(folder: Path) -> pd.DataFrame:
    """Return the pairs of patches that overlap, as `write_overlaps` wrote them."""
    return pd.read_parquet(folder / OVERLAPS_NAME)


def write_regions(folder: Path, regions: pd.DataFrame) -> None:
    """Write the regions of patches that overlap, a row for each patch with `REGION_COLUMNS`."""
    regions[list(REGION_COLUMNS)].to_parquet(folder / REGIONS_NAME, index=False)


def read_regions(folder: Path) -> pd.DataFrame:
    """Return the regions, as `write_regions` wrote them."""
    return pd.read_parquet(folder / REGIONS_NAME)


@dataclass
class Writer:
    """Collects patches into shards of `SHARD_ROWS`; holds one shard in memory."""

    folder: Path
    size: int
    num_shards: int = 0
    num_rows: int = 0  # in the shard being filled
    _buffer: UInt8 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Allocate the buffer once."""
        self._buffer = np.empty((SHARD_ROWS, self.size, self.size, 3), np.uint8)

    def extend(self, patches: UInt8) -> Places:
        """Append (n, size, size, 3) uint8 patches; return the place of each."""
        places = []
        while len(patches):
            count = min(len(patches), SHARD_ROWS - self.num_rows)
            rows = np.arange(self.num_rows, self.num_rows + count, dtype=np.int32)
            places.append(np.stack([np.full_like(rows, self.num_shards), rows], axis=1))
            self._buffer[rows] = patches[:count]
            self.num_rows += count
            if self.num_rows == SHARD_ROWS:
                self.close()
            patches = patches[count:]
        return np.concatenate([np.empty((0, 2), np.int32), *places])

    def close(self) -> None:
        """Write the shard being filled, unless it is empty."""
        if self.num_rows:
            np.save(self.folder / f"{self.num_shards:03d}.npy", self._buffer[: self.num_rows])
            self.num_shards += 1
            self.num_rows = 0
