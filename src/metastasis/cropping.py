"""Cuts the centre out of every patch, or passes the shards through by hard link."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field
from tqdm import tqdm

from metastasis import files, shards
from metastasis.params import Section


def _is_even(size: int) -> int:
    if size % 2:
        raise ValueError("should be even, so that the crop has the patch's centre")
    return size


class CropParams(Section):
    """The side of what the network sees, in pixels: at least the centre the label is about."""

    size: Annotated[int, Field(ge=32, le=96), AfterValidator(_is_even)]


def crop(params: CropParams, shards_folder: Path, crops_folder: Path) -> None:
    """Write the central `params.size` pixels of every patch; at full size no byte is added."""
    with files.whole_folder(crops_folder) as folder:
        shutil.copyfile(shards_folder / shards.INDEX_NAME, folder / shards.INDEX_NAME)
        for path in tqdm(shards.paths(shards_folder), desc="crop", unit=" shards", disable=None):
            patches = np.load(path, mmap_mode="r")
            margin = (patches.shape[1] - params.size) // 2
            if margin == 0:
                _link(path, folder / path.name)
            else:
                np.save(folder / path.name, patches[:, margin:-margin, margin:-margin])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
