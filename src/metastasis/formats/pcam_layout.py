"""Finds PatchCamelyon's files in a folder, in any of their usual layouts.

It recognises the published names, in one folder or in several as in torchvision's root, and those
of Kaggle's mirror (pcam/training_split.h5, Labels/Labels/..., Metadata/Metadata/...).
`pcam_files` reads the files.
"""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from metastasis.base.errors import InputError
from metastasis.formats import sources

SPLITS = {
    "train": "train",
    "valid": "validation",
    "test": "test",
}  # PCam's name: ours
KINDS = ("x", "y", "meta")  # images, labels, and a CSV with a row per patch
MAX_DEPTH = 4  # of folders below the source: Kaggle's mirror has two, its parent folder three
MAX_LISTED = 1000  # files read per folder: a folder with more holds patches

Role = tuple[str, str]  # split and kind

_PUBLISHED = re.compile(
    r"(?:camelyonpatch_level_2_split_)?(train|valid|val|test)_(?:([xy])\.h5|(meta)\.csv)(?:\.gz)?",
    re.IGNORECASE,
)
_SHORT = {"val": "valid"}
_MIRRORED = re.compile(r"(training|validation|test)_split\.h5(?:\.gz)?", re.IGNORECASE)
_MIRROR_SPLITS = {"training": "train", "validation": "valid", "test": "test"}


def stem(split: str) -> str:
    """Return the common beginning of the published names of a split's files."""
    return f"camelyonpatch_level_2_split_{split}"


def role(file_name: str) -> Role | None:
    """Return the split and kind (images, labels or meta rows) in a file's name, if any."""
    published, mirrored = _PUBLISHED.fullmatch(file_name), _MIRRORED.fullmatch(file_name)
    if published:
        split, array, table = published.groups()
        return _SHORT.get(split.lower(), split.lower()), (array or table).lower()
    return (_MIRROR_SPLITS[mirrored[1].lower()], "x") if mirrored else None


def is_there(folder: Path) -> bool:
    """Return whether there are HDF5 files of PatchCamelyon in `folder` itself."""
    return any(_is_array(name) for name in _names(folder, 0))


def is_below(folder: Path) -> bool:
    """Return whether there are HDF5 files of PatchCamelyon in `folder` or its subfolders."""
    return any(_is_array(name) for name in _names(folder, MAX_DEPTH))


def find(folder: Path) -> tuple[dict[Role, Path], list[str]]:
    """Return the file of each role, and the names of all other files, in order.

    An unpacked file is preferred to the packed one beside it.

    Raises:
        InputError: two files compete for one role.
    """
    names = sorted(_names(folder, MAX_DEPTH))
    candidates: dict[Role, list[str]] = defaultdict(list)
    for name in names:
        found = role(name.rpartition("/")[2])
        if found:
            candidates[found].append(name)
    chosen = {role: _one(folder, role, group) for role, group in candidates.items()}
    return (
        {role: folder / name for role, name in chosen.items()},
        [sources.readable(name) for name in names if name not in chosen.values()],
    )


def _one(folder: Path, role: Role, names: list[str]) -> str:
    """Return the file for a role."""
    unpacked = {name.lower() for name in names if not name.lower().endswith(".gz")}
    rest = [name for name in names if name.lower().removesuffix(".gz") not in unpacked]
    rest += [name for name in names if name.lower() in unpacked]
    places = {(folder / name).resolve(): name for name in sorted(rest, reverse=True)}
    if len(places) > 1:
        split, kind = role
        raise InputError(
            f"pcam-ambiguous: {folder} holds {len(places)} files that may be the {split} split's "
            f"{kind}: {', '.join(sorted(places.values()))}. Keep one, or name the folder of one."
        )
    return next(iter(places.values()))


def _is_array(name: str) -> bool:
    found = role(name.rpartition("/")[2])
    return found is not None and found[1] != "meta"


def _names(folder: Path, depth: int, start: str = "") -> Iterator[str]:
    """Yield the files in a folder and, to `depth`, in its subfolders, relative to the folder.

    A subfolder that can't be listed, such as lost+found, is yielded itself, with the reason.
    """
    with os.scandir(folder) as found:
        files = list(itertools.islice(found, MAX_LISTED))
    for file in files:
        if Path(file.path).is_file():
            yield start + file.name
        elif depth and Path(file.path).is_dir():
            try:
                yield from _names(Path(file.path), depth - 1, f"{start}{file.name}/")
            except OSError as error:
                yield f"{start}{file.name}/ ({error.strerror})"
