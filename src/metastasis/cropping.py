"""Cuts the centre out of every patch, or hard-links the shards; defines section `crop`."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field
from tqdm import tqdm

from metastasis.base import files
from metastasis.base.params import Section
from metastasis.patches import shards


def _is_even(size: int) -> int:
    if size % 2:
        raise ValueError("should be even, so that the crop has the same centre as the patch")
    return size


class CropParams(Section):
    """The side of the crop in pixels: at least the centre, which decides the label."""

    size: Annotated[int, Field(ge=32, le=96), AfterValidator(_is_even)]


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
