"""Reads PatchCamelyon's HDF5 files, packed (.h5.gz) or not, with their slides and official splits.

The files and their columns are as published by Veeling et al. (2018), https://github.com/basveeling/pcam.
"""

import gzip
import itertools
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

import h5py
import numpy as np
import pandas as pd

from metastasis import tables
from metastasis.errors import InputError
from metastasis.shards import PATCH_SIZE
from metastasis.sources import LABELS_NAME, SLIDES_NAME, Content, Entry, Flaw

SPLITS = {"train": "train", "valid": "validation", "test": "test"}  # PCam's word for it: ours


def is_there(folder: Path) -> bool:
    """Return whether `folder` holds any of PatchCamelyon's HDF5 files."""
    return any(_find(folder, split, kind) for split in SPLITS for kind in "xy")


@dataclass(frozen=True)
class PcamFiles:
    """The splits that a folder holds; every patch has a label, and is named by split and row."""

    folder: Path
    splits: tuple[str, ...]
    resources: ExitStack = field(default_factory=ExitStack)  # the files it has open

    @classmethod
    def open(cls, folder: Path) -> "PcamFiles":
        """Return the source in `folder`; nothing is unpacked before its entries are asked for.

        Raises:
            InputError: a split has images without labels, or labels without images.
        """
        kinds = {split: [kind for kind in "xy" if _find(folder, split, kind)] for split in SPLITS}
        for split, found in kinds.items():
            if len(found) == 1:
                raise InputError(
                    f"pcam-pairs: {folder} holds {_stem(split)}_{found[0]} and not the other of x "
                    "(images) and y (labels). Fetch the missing one."
                )
        return cls(folder, tuple(split for split, found in kinds.items() if found))

    def entries(self) -> list[Entry]:
        """Return every patch by split and row; unpacks what is packed, into temporary files.

        Raises:
            InputError: a file is damaged, or holds something else than PatchCamelyon's arrays.
        """
        return [
            Entry("labelled", _id(split, row), f"{split}/{row}")
            for split in self.splits
            for row in range(len(self._images[split]))
        ]

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the pixels of each entry, (96, 96, 3) uint8, RGB."""
        places = [entry.name.split("/") for entry in entries]
        for split, group in itertools.groupby(places, key=lambda place: place[0]):
            yield from _read_rows(self._images[split], [int(row) for _, row in group])

    def tables(self) -> dict[str, bytes]:
        """Return the labels, and the slides (where the meta files are there) with their splits.

        Raises:
            InputError: a file is damaged, or its length is not that of the images.
        """
        parts = [self._table(split) for split in self.splits]
        table = pd.concat(parts, ignore_index=True)
        return {
            LABELS_NAME: _csv(table[["id", "label"]]),
            SLIDES_NAME: _csv(table[["id", "slide", "split"]]),
        }

    def strays(self) -> list[str]:
        """Return what else lies in the folder."""
        known = {
            *(_find(self.folder, split, kind) for split in self.splits for kind in "xy"),
            *(f"{_stem(split)}_meta.csv" for split in self.splits),
        }
        return sorted({path.name for path in self.folder.iterdir()} - known)

    def close(self) -> None:
        """Close the files; what was unpacked is gone."""
        self.resources.close()

    @cached_property
    def _images(self) -> dict[str, h5py.Dataset]:
        return {split: self._dataset(split, "x") for split in self.splits}

    def _dataset(self, split: str, kind: str) -> h5py.Dataset:
        path = self.folder / _find(self.folder, split, kind)
        file = self.resources.enter_context(_open(path, self.resources))
        if not isinstance(file.get(kind), h5py.Dataset):
            found = ", ".join(file) or "nothing"
            raise InputError(f"pcam-dataset: {path} holds {found}; expected a dataset {kind}.")
        dataset = file[kind]
        expected = (PATCH_SIZE, PATCH_SIZE, 3) if kind == "x" else (1, 1, 1)
        if dataset.shape[1:] not in {expected, () if kind == "y" else expected}:
            raise InputError(
                f"pcam-shape: {kind} in {path} has the shape {dataset.shape}; expected "
                f"(n, {', '.join(map(str, expected))})."
            )
        if dataset.dtype != np.uint8:
            raise InputError(f"pcam-dtype: {kind} in {path} is {dataset.dtype}; expected uint8.")
        return dataset

    def _table(self, split: str) -> pd.DataFrame:
        """Return id, label, slide and split of each row; a slide is empty where it is unknown."""
        num_patches = len(self._images[split])
        try:
            labels = self._dataset(split, "y")[...].reshape(-1)
        except OSError as error:
            raise InputError(f"pcam-whole: {_stem(split)}_y can't be read: {error}.") from None
        _check_length(f"{_stem(split)}_y", len(labels), num_patches)
        slides = self._slides(split)
        if slides is not None:
            _check_length(f"{_stem(split)}_meta.csv", len(slides), num_patches)
        ids = [_id(split, row) for row in range(num_patches)]
        return pd.DataFrame(
            {"id": ids, "label": labels, "slide": slides, "split": SPLITS[split]}, dtype="str"
        )

    def _slides(self, split: str) -> list[str] | None:
        path = self.folder / f"{_stem(split)}_meta.csv"
        if not path.is_file():
            return None
        table, form = tables.look(path)
        if form["encoding"] or form["cells"]:
            raise InputError(
                f"pcam-meta-cells: {path}: {form['encoding'] or form['cells']}; fetch it again."
            )
        if "wsi" not in table:
            raise InputError(
                f"pcam-meta-columns: {path} has the columns {', '.join(table.columns)}; expected "
                "wsi among them."
            )
        return table["wsi"].tolist()


def _stem(split: str) -> str:
    return f"camelyonpatch_level_2_split_{split}"


def _id(split: str, row: int) -> str:
    return f"{split}-{row:06d}"


def _find(folder: Path, split: str, kind: str) -> str:
    """Return the name of the file of a split's images (x) or labels (y), or nothing.

    The unpacked file goes before the packed one.
    """
    names = (f"{_stem(split)}_{kind}{suffix}" for suffix in (".h5", ".h5.gz"))
    return next((name for name in names if (folder / name).is_file()), "")


def _open(path: Path, resources: ExitStack) -> h5py.File:
    whole = "It is not whole: fetch it again."
    try:
        return h5py.File(_unpacked(path, resources) if path.suffix == ".gz" else path, "r")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"pcam-whole: {path} can't be unpacked: {error}. {whole}") from None
    except OSError as error:  # h5py's for what is no HDF5, or the system's
        raise InputError(
            f"pcam-whole: {path} can't be read as HDF5: {error}. {whole} (What is packed is "
            f"unpacked in {tempfile.gettempdir()}; TMPDIR names another place, with more room.)"
        ) from None


def _unpacked(path: Path, resources: ExitStack) -> IO[bytes]:
    """Return the content as a file without a name: gone with the process, however that ends."""
    unpacked = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    print(f"ingest: unpacking {path.name}")
    with gzip.open(path) as packed:
        shutil.copyfileobj(packed, unpacked, 2**20)
    return unpacked


def _read_rows(images: h5py.Dataset, rows: list[int]) -> list[Content]:
    first = rows[0]
    try:
        block = images[first : rows[-1] + 1]
    except OSError as error:  # a damaged block: find the rows that are whole one by one
        if len(rows) == 1:
            return [Flaw("readable", f"not readable: {error}")]
        return [content for row in rows for content in _read_rows(images, [row])]
    return [block[row - first] for row in rows]


def _check_length(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise InputError(
            f"pcam-lengths: {name} has {found:,} rows and the images are {expected:,}; they don't "
            "belong together. Fetch them again."
        )


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()
