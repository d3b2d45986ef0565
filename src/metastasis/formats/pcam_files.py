"""Reads PatchCamelyon's HDF5 files, packed (.h5.gz) or not, with their slides and official splits.

The files and their columns are as published by Veeling et al. (2018), https://github.com/basveeling/pcam.
`pcam_layout` finds the files; `pcam_checks` checks that they don't contradict each other.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import h5py
import numpy as np
import pandas as pd

from metastasis import tables
from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.formats import hdf5_files, packed_tables, pcam_checks, pcam_layout
from metastasis.formats.pcam_checks import Part
from metastasis.formats.pcam_layout import SPLITS, Role
from metastasis.formats.sources import LABELS_NAME, SLIDES_NAME, Content, Entry, Flaw
from metastasis.patches.shards import PATCH_SIZE


@dataclass(frozen=True)
class PcamFiles:
    """The splits in a folder; every patch has a label, and its id is made of split and row."""

    title: ClassVar[str] = "PatchCamelyon"

    files: Mapping[Role, Path]
    others: Sequence[str]
    resources: ExitStack = field(default_factory=ExitStack)  # the open files

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the source in `folder`; files are unpacked only when its entries are requested.

        Raises:
            InputError: a split has images without labels or labels without images, or two files
                compete for one role.
        """
        files, others = pcam_layout.find(folder)
        for split in SPLITS:
            found = [kind for kind in "xy" if (split, kind) in files]
            if len(found) == 1:
                raise InputError(
                    f"pcam-pairs: {folder} holds only one of the {split} split's two files, x "
                    f"(images) and y (labels): {files[split, found[0]].name}. Fetch the other one, "
                    f"published as {pcam_layout.stem(split)}_{'y' if found == ['x'] else 'x'}"
                    ".h5.gz."
                )
        return cls(files, others)

    @property
    def splits(self) -> tuple[str, ...]:
        """The available splits, by PatchCamelyon's names."""
        return tuple(split for split in SPLITS if (split, "x") in self.files)

    @property
    def is_packed(self) -> bool:
        """Whether images or labels must be unpacked first, which takes minutes."""
        return any(
            path.name.lower().endswith(".gz")
            for (_, kind), path in self.files.items()
            if kind != "meta"
        )

    def entries(self) -> list[Entry]:
        """Return every patch, sorted by split and row; packed files are unpacked to temporary ones.

        Raises:
            InputError: a file is damaged, in use, or doesn't hold PatchCamelyon's arrays.
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
        """Return the labels, and the slides (if there are meta files) with their splits.

        Raises:
            InputError: a file is damaged, it has not as many rows as the images, or labels and meta
                rows contradict each other.
        """
        parts = {split: self._part(split) for split in self.splits}
        pcam_checks.check_labels(parts)
        table = pd.concat([_table(*part) for part in parts.items()], ignore_index=True)
        return {
            LABELS_NAME: files.csv(table[["id", "label"]]),
            SLIDES_NAME: files.csv(table[["id", "slide", "split"]]),
        }

    def strays(self) -> list[str]:
        """Return the other files in the folder."""
        return list(self.others)

    def close(self) -> None:
        """Close the files; this deletes the unpacked ones."""
        self.resources.close()

    @cached_property
    def _images(self) -> dict[str, h5py.Dataset]:
        pcam_checks.check_published(self.files.values())
        return {split: self._dataset(split, "x") for split in self.splits}

    def _dataset(self, split: str, kind: str) -> h5py.Dataset:
        path = self.files[split, kind]
        file = hdf5_files.open_file(path, self.resources)
        try:
            is_dataset, found = isinstance(file.get(kind), h5py.Dataset), ", ".join(file)
        except (OSError, RuntimeError) as error:  # h5py's errors for a damaged list of contents
            raise InputError(f"pcam-whole: {path} is damaged: {error}. Fetch it again.") from None
        if not is_dataset:
            found = found or "nothing"
            other = {"x": "y", "y": "x"}[kind]
            hint = " Images (x) and labels (y) look exchanged: rename them." * (found == other)
            raise InputError(
                f"pcam-dataset: {path} holds {found}; expected a dataset {kind}.{hint}"
            )
        dataset = file[kind]
        expected = (PATCH_SIZE, PATCH_SIZE, 3) if kind == "x" else (1, 1, 1)
        if dataset.shape[1:] not in {expected, () if kind == "y" else expected}:
            raise InputError(
                f"pcam-shape: {kind} in {path} has the shape {dataset.shape}; expected "
                f"(n, {', '.join(map(str, expected))})."
            )
        # Rewritten labels often have a wider dtype, but the same values.
        if dataset.dtype != np.uint8 and not (kind == "y" and dataset.dtype.kind in "biu"):
            raise InputError(f"pcam-dtype: {kind} in {path} is {dataset.dtype}; expected uint8.")
        return dataset

    def _part(self, split: str) -> Part:
        """Return the labels and the meta rows of a split, one for each image."""
        num_patches = len(self._images[split])
        path, meta_path = self.files[split, "y"], self.files.get((split, "meta"))
        try:
            labels = self._dataset(split, "y")[...].reshape(-1).astype(np.int64)
        except OSError as error:
            raise InputError(
                f"pcam-whole: {path} can't be read: {error}. Fetch it again."
            ) from None
        _check_length(path, len(labels), num_patches)
        meta = None if meta_path is None else _meta(meta_path)
        if meta is not None and meta_path is not None:
            _check_length(meta_path, len(meta), num_patches)
        return Part(labels, path, meta, meta_path)


def _meta(path: Path) -> pd.DataFrame:
    table, form = tables.parse(packed_tables.unpack(path.name, path.read_bytes()))
    if form["encoding"] or form["cells"]:
        raise InputError(
            f"pcam-meta-cells: {path}: {form['encoding'] or form['cells']}; fetch it again."
        )
    if "wsi" not in table:
        raise InputError(
            f"pcam-meta-columns: {path} has the columns {', '.join(table.columns)}; expected "
            "wsi among them."
        )
    return table


def _table(split: str, part: Part) -> pd.DataFrame:
    """Return id, label, slide and split of each row; an unknown slide is empty."""
    return pd.DataFrame(
        {
            "id": [_id(split, row) for row in range(len(part.labels))],
            "label": part.labels,
            "slide": None if part.meta is None else part.meta["wsi"].tolist(),
            "split": SPLITS[split],
        },
        dtype="str",
    )


def _id(split: str, row: int) -> str:
    return f"{split}-{row:06d}"


def _read_rows(images: h5py.Dataset, rows: list[int]) -> list[Content]:
    first = rows[0]
    try:
        block = images[first : rows[-1] + 1]
    except OSError as error:  # a damaged block: read row by row to find the intact rows
        if len(rows) == 1:
            return [Flaw("readable", f"not readable: {error}")]
        return [content for row in rows for content in _read_rows(images, [row])]
    return [block[row - first] for row in rows]


def _check_length(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise InputError(
            f"pcam-lengths: {path} has {found:,} rows but there are {expected:,} images; the files "
            "don't belong together. Fetch them again."
        )
