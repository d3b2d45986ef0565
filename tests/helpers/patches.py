"""Patches: noise in shards, textures with their flips and turns, TIFFs, and Kaggle's ids."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis.hashes import perceptual
from metastasis.patches import shards


def sha1(patch: NDArray[np.uint8]) -> str:
    """Return Kaggle's id of a patch: the hash of its pixels."""
    return hashlib.sha1(patch.tobytes()).hexdigest()  # noqa: S324  # Kaggle's ids, no secret


def write_tif(path: Path, patch: NDArray[np.uint8]) -> None:
    """Write an RGB patch as a TIFF with OpenCV."""
    assert cv2.imwrite(str(path), cv2.cvtColor(patch, cv2.COLOR_RGB2BGR))


UInt8 = NDArray[np.uint8]


def texture(seed: int, coarse: int = 12) -> UInt8:
    """Return a patch of blots, about 96 / `coarse` pixels wide, with fine noise."""
    random = np.random.default_rng(seed)
    blots = random.integers(0, 256, (coarse, coarse, 3), np.uint8)
    noise = random.integers(-20, 21, (96, 96, 3))
    smooth = cv2.resize(blots, (96, 96), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(smooth.astype(np.int64) + noise, 0, 255), np.uint8)


def symmetries(patch: UInt8) -> list[UInt8]:
    """Return the eight flips and turns of a patch, itself first."""
    turns = [np.rot90(patch, number) for number in range(4)]
    return [np.ascontiguousarray(image) for turn in turns for image in (turn, turn[:, ::-1])]


def inventory(index: pd.DataFrame, patches: np.ndarray) -> pd.DataFrame:
    """Return what the inventory says of the patches of an index: measures and hashes."""
    colours = patches.reshape(len(patches), -1, 3).mean(axis=1)
    return index.assign(
        sha1=[sha1(patch) for patch in patches],
        perceptual_hash=perceptual.hashes(np.array([perceptual.grid(patch) for patch in patches])),
        mean=colours.mean(axis=1),
        std=patches.reshape(len(patches), -1).std(axis=1),
        mean_red=colours[:, 0],
        mean_green=colours[:, 1],
        mean_blue=colours[:, 2],
    )


def write_shards(folder: Path, num: int, size: int = 4, step: int = 3) -> np.ndarray:
    """Write shards of `num` patches of noise with the ids p0, p1, ..., and return the patches."""
    patches = np.random.default_rng(num).integers(0, 256, (num, size, size, 3), np.uint8)
    writer = shards.Writer(folder, size)
    places = [writer.extend(patches[start : start + step]) for start in range(0, num, step)]
    writer.close()
    index = pd.DataFrame(np.concatenate(places), columns=["shard", "row"])
    index["id"] = [f"p{number}" for number in range(num)]
    index["pool"] = "labelled"
    shards.write_index(folder, index)
    return patches
