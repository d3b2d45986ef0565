"""Tests of `cropping`: the centre is cut exactly; full size adds no byte."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from helpers.patches import write_shards
from metastasis import cropping
from metastasis.patches import shards


@pytest.fixture
def packed(tmp_path: Path) -> tuple[Path, NDArray[np.uint8]]:
    folder = tmp_path / "patches"
    folder.mkdir()
    return folder, write_shards(folder, 5, size=96)


@pytest.mark.parametrize("size", [32, 64, 94])
def test_the_crop_is_the_centre(packed: tuple[Path, NDArray[np.uint8]], size: int) -> None:
    folder, patches = packed
    cropping.crop(cropping.CropParams(size=size), folder, folder.parent / "crops")
    crops = shards.read(folder.parent / "crops")
    margin = (96 - size) // 2
    ids = pd.Series([f"p{number}" for number in range(5)])
    taken = crops.take(crops.locate(ids, "labelled"))
    assert np.array_equal(taken, patches[:, margin : 96 - margin, margin : 96 - margin])


def test_full_size_is_a_hard_link(packed: tuple[Path, NDArray[np.uint8]]) -> None:
    folder, _ = packed
    cropping.crop(cropping.CropParams(size=96), folder, folder.parent / "crops")
    assert (folder.parent / "crops" / "000.npy").samefile(folder / "000.npy")


@pytest.mark.parametrize(
    ("size", "message"), [(33, "should be even"), (31, "greater than or equal"), (97, "less than")]
)
def test_a_size_that_is_no_centre_is_refused(size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cropping.CropParams(size=size)
