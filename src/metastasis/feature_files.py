"""Stores the features of patches on disk: one float16 array, and an index of its rows.

`features` writes them, `probe` reads them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.base.errors import InputError, named
from metastasis.patches import shards

FEATURES_NAME, INDEX_NAME = "features.npy", "index.parquet"
Half = NDArray[np.float16]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Features:
    """The features of patches: `matrix` (n, d) float16, memory-mapped; `index` has pool and id."""

    index: pd.DataFrame
    matrix: Half

    def of(self, ids: pd.Series) -> NDArray[np.float32]:
        """Return the features of labelled patches, in the order of `ids`: (n, d).

        Raises:
            InputError: a patch has no features.
        """
        is_labelled = (self.index["pool"] == "labelled").to_numpy()
        rows = pd.Series(np.flatnonzero(is_labelled), self.index.loc[is_labelled, "id"])
        found = rows.reindex(ids)
        if found.isna().any():
            missing = ids[found.isna().to_numpy()]
            raise InputError(
                f"{len(missing):,} of {len(ids):,} patches of the split have no features "
                f"({named(missing)}); expected features of each. Complete the file that "
                "probe.networks names, and run `dvc repro`."
            )
        return np.asarray(self.matrix[found.to_numpy(np.int64)], np.float32)


def create(folder: Path, index: pd.DataFrame, num_features: int) -> Half:
    """Write the index, and return an array on disk of zeros, (n, `num_features`), to be filled."""
    index[shards.PATCH].to_parquet(folder / INDEX_NAME, index=False)
    shape = (len(index), num_features)
    path = folder / FEATURES_NAME
    matrix: Half = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    return matrix


def read(folder: Path) -> Features:
    """Open the features in `folder`."""
    matrix = np.load(folder / FEATURES_NAME, mmap_mode="r")
    return Features(pd.read_parquet(folder / INDEX_NAME), matrix)


def to_half(features: Floats, path: Path) -> Half:
    """Return the features as float16.

    Raises:
        InputError: one isn't a number that float16 holds; `path` is where they come from.
    """
    with np.errstate(over="ignore"):
        half = features.astype(np.float16)
    if not np.isfinite(half).all():
        row, column = np.argwhere(~np.isfinite(half))[0]
        raise InputError(
            f"{path} gives a feature of {features[row, column]:g}; expected numbers from -65,504 "
            "to 65,504, which float16 holds. Scale the features, or mend the network."
        )
    return half
