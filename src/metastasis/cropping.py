"""Cuts the centre out of every patch, or hard-links the shards unchanged."""

import os
import shutil
from pathlib import Path

import numpy as np
from tqdm import tqdm

from metastasis.base import files
from metastasis.crop_params import CropParams
from metastasis.patches import shards


def crop(params: CropParams, shards_folder: Path, crops_folder: Path) -> None:
    """Write the central `params.size` pixels of every patch; at full size, hard-link the shards."""
    with files.whole_folder(crops_folder) as folder:
        shutil.copyfile(shards_folder / shards.INDEX_NAME, folder / shards.INDEX_NAME)
        for path in tqdm(shards.paths(shards_folder), desc="crop", unit=" shards", disable=None):
            patches = np.load(path, mmap_mode="r")
            if patches.shape[1] == params.size:
                _link(path, folder / path.name)
            else:
                inside = shards.centre(patches.shape[1], params.size)
                np.save(folder / path.name, patches[:, inside, inside])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
