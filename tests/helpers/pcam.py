"""PatchCamelyon's files with a few patches of noise, and faults to plant in them."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

SIZES = {"train": 8, "valid": 4, "test": 3}


def name(split: str, kind: str) -> str:
    """Return the published name of a split's file, without its extension."""
    return f"camelyonpatch_level_2_split_{split}_{kind}"


def write_array(path: Path, kind: str, values: NDArray[np.generic]) -> None:
    """Write an HDF5 file with one dataset."""
    with h5py.File(path, "w") as file:
        file.create_dataset(kind, data=values)


def write_pcam(folder: Path, *, has_meta: bool = True) -> dict[str, NDArray[np.uint8]]:
    """Write the published files with a few patches of noise; return those by split."""
    folder.mkdir()
    random = np.random.default_rng(3)
    patches = {}
    for split, size in SIZES.items():
        patches[split] = random.integers(0, 256, (size, 96, 96, 3), np.uint8)
        write_array(folder / f"{name(split, 'x')}.h5", "x", patches[split])
        labels = (np.arange(size) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)
        write_array(folder / f"{name(split, 'y')}.h5", "y", labels)
        meta = pd.DataFrame(
            {
                "coord_y": 0,
                "coord_x": 0,
                "tumor_patch": labels.ravel() == 1,
                "center_tumor_patch": labels.ravel() == 1,
                "wsi": [f"camelyon16_{split}_{row // 2}" for row in range(size)],
            }
        )
        if has_meta:
            meta.to_csv(folder / f"{name(split, 'meta')}.csv")
    return patches


def pack(path: Path) -> None:
    """Replace a file by its .gz."""
    with path.open("rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    path.unlink()


def group_of_its_name(folder: Path) -> None:
    """Replace the dataset by a group."""
    with h5py.File(folder / f"{name('valid', 'x')}.h5", "w") as file:
        file.create_group("x")


def dangling(folder: Path) -> None:
    """Replace the dataset by a broken link."""
    with h5py.File(folder / f"{name('valid', 'x')}.h5", "w") as file:
        file["x"] = h5py.SoftLink("/nowhere")


def truncate_packed(folder: Path) -> None:
    """Pack the validation split's images and truncate the file."""
    path = folder / f"{name('valid', 'x')}.h5"
    pack(path)
    packed = Path(f"{path}.gz")
    packed.write_bytes(packed.read_bytes()[:-1000])


def array(
    kind: str, shape: tuple[int, ...], *, key: str = "", dtype: type = np.uint8
) -> Callable[[Path], None]:
    """Replace the validation split's images or labels by an array of zeros."""

    def plant(folder: Path) -> None:
        write_array(folder / f"{name('valid', kind)}.h5", key or kind, np.zeros(shape, dtype))

    return plant


def meta(content: str) -> Callable[[Path], None]:
    """Replace the rows of the validation split's meta file."""

    def plant(folder: Path) -> None:
        (folder / f"{name('valid', 'meta')}.csv").write_text(content)

    return plant


def left_open(folder: Path) -> None:
    """Mark a file as open for writing, as a killed writer leaves it."""
    path = folder / f"{name('valid', 'x')}.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = np.zeros((4, 96, 96, 3), np.uint8)
        file.flush()
        content = path.read_bytes()
    path.write_bytes(content)


def exchanged(folder: Path) -> None:
    """Exchange the labels of two splits of one size, as their MD5s once were."""
    for split, labels, rows in (("valid", [1, 1, 0, 0], 4), ("test", [0, 1, 0, 1], 4)):
        values = np.array(labels, np.uint8).reshape(-1, 1, 1, 1)
        write_array(folder / f"{name(split, 'y')}.h5", "y", values)
        write_array(folder / f"{name(split, 'x')}.h5", "x", np.zeros((rows, 96, 96, 3), np.uint8))
    for split, truths in (("valid", (0, 1, 0, 1)), ("test", (1, 1, 0, 0))):
        table = pd.DataFrame({"center_tumor_patch": np.array(truths, bool), "wsi": "a"})
        table.to_csv(folder / f"{name(split, 'meta')}.csv")


PCAM_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "images without labels": (
        lambda folder: (folder / f"{name('valid', 'y')}.h5").unlink(),
        "pcam-pairs",
    ),
    "a dataset with the wrong name": (array("x", (4, 96, 96, 3), key="images"), "pcam-dataset"),
    "patches of 64 pixels": (array("x", (4, 64, 64, 3)), "pcam-shape"),
    "patches of floats": (array("x", (4, 96, 96, 3), dtype=np.float32), "pcam-dtype"),
    "fewer labels than images": (array("y", (3, 1, 1, 1)), "pcam-lengths"),
    "fewer meta rows than images": (meta("wsi\na\n"), "pcam-lengths"),
    "meta rows without slides": (meta("coord_x\n1\n"), "pcam-meta-columns"),
    "meta rows with an extra cell": (meta("wsi\na,x\n"), "pcam-meta-cells"),
    "an empty meta file": (meta(""), "pcam-meta-cells"),
    "a group instead of the dataset": (group_of_its_name, "pcam-dataset"),
    "a broken link instead of the dataset": (dangling, "pcam-dataset"),
    "a truncated .h5.gz": (truncate_packed, "pcam-whole"),
    "a file that is not HDF5": (
        lambda folder: (folder / f"{name('test', 'x')}.h5").write_text("hello"),
        "pcam-format",
    ),
    "a truncated .h5": (
        lambda folder: os.truncate(folder / f"{name('test', 'x')}.h5", 20_000),
        "pcam-whole",
    ),
    "a file marked as open for writing": (left_open, "pcam-in-use"),
    "two files for the same images": (
        lambda folder: shutil.copyfile(
            folder / f"{name('valid', 'x')}.h5", folder / "validation_split.h5"
        ),
        "pcam-ambiguous",
    ),
    "labels of valid and test exchanged": (exchanged, "pcam-labels"),
    "a tumour label on a patch without tumour": (
        meta("wsi,tumor_patch\na,False\na,False\na,False\na,True\n"),
        "pcam-labels",
    ),
    "an unknown word for true": (
        meta("wsi,center_tumor_patch\na,False\na,yes\na,False\na,True\n"),
        "pcam-meta-values",
    ),
}
