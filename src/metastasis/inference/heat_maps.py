"""Writes the probabilities of a region or slide as an OME-TIFF, one pixel for each patch."""

import uuid
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from metastasis.base import files
from metastasis.inference.resolutions import UM_PER_CM

PER_CM = 3  # of the tag ResolutionUnit
NAMESPACE = uuid.UUID("4f0e9b0a-6b43-5d0d-8d0d-5f2b7a1c9e11")  # makes the file's id: any constant


def write(path: Path, probabilities: NDArray[np.float64], um_per_pixel: float) -> None:
    """Write (rows, columns) as float32; NaN where nothing was scored.

    `um_per_pixel` is the side of a patch's cell: with it, viewers lay the map over the slide.
    """
    content = probabilities.astype(np.float32)
    identity = uuid.uuid5(NAMESPACE, f"{content.shape} {um_per_pixel}" + content.tobytes().hex())
    metadata = {
        "axes": "YX",
        "Name": "probability of tumour",
        "Channel": {"Name": ["probability of tumour"]},
        "PhysicalSizeX": um_per_pixel,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": um_per_pixel,
        "PhysicalSizeYUnit": "µm",
        "UUID": str(identity),  # tifffile's own is random
        "Creator": "metastasis",
    }
    with files.whole_file(path) as partial:
        tifffile.imwrite(
            partial,
            content,
            ome=True,
            metadata=metadata,
            photometric="minisblack",
            resolution=(UM_PER_CM / um_per_pixel, UM_PER_CM / um_per_pixel),
            resolutionunit=PER_CM,
            software=False,
        )
