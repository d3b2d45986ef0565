"""Finds PatchCamelyon's files in a folder, however they were laid out there.

Known are the published names, in one folder or in several, as in torchvision's root, and those of
Kaggle's mirror (pcam/training_split.h5, Labels/Labels/..., Metadata/Metadata/...). What the files
hold, `pcam_files` knows.
"""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from metastasis.base.errors import InputError
from metastasis.formats import sources

SPLITS = {"train": "train", "valid": "validation", "test": "test"}  # PCam's word for it: ours
KINDS = ("x", "y", "meta")  # images, labels, and a CSV with a row a patch
MAX_DEPTH = 4  # of folders below the source: Kaggle's mirror takes two, or three one level too high
MAX_LISTED = 1000  # files looked at in a folder: one with more holds patches

Role = tuple[str, str]  # split and kind

_PUBLISHED = re.compile(
    r"(?:camelyonpatch_level_2_split_)?(train|valid|val|test)_(?:([xy])\.h5|(meta)\.csv)(?:\.gz)?",
    re.IGNORECASE,
)
_SHORT = {"val": "valid"}
_MIRRORED = re.compile(r"(training|validation|test)_split\.h5(?:\.gz)?", re.IGNORECASE)
_MIRROR_SPLITS = {"training": "train", "validation": "valid", "test": "test"}


def stem(split: str) -> str:
    """Return how the published names of a split's files begin."""
    return f"camelyonpatch_level_2_split_{split}"


def role(file_name: str) -> Role | None:
    """Return which split's images, labels or meta rows a file of this name holds, if any."""
    published, mirrored = _PUBLISHED.fullmatch(file_name), _MIRRORED.fullmatch(file_name)
    if published:
        split, array, table = published.groups()
        return _SHORT.get(split.lower(), split.lower()), (array or table).lower()
    return (_MIRROR_SPLITS[mirrored[1].lower()], "x") if mirrored else None


def is_there(folder: Path) -> bool:
    """Return whether HDF5 files of PatchCamelyon lie in `folder` itself."""
    return any(_is_array(name) for name in _names(folder, 0))


def is_below(folder: Path) -> bool:
    """Return whether HDF5 files of PatchCamelyon lie in `folder` or in folders of it."""
    return any(_is_array(name) for name in _names(folder, MAX_DEPTH))


def find(folder: Path) -> tuple[dict[Role, Path], list[str]]:
    """Return the file of each role, and the names of all others, in order.

    The unpacked file goes before the packed one beside it.

    Raises:
        InputError: two files may be meant for one role.
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
    """Return the file that is meant."""
    unpacked = {name.lower() for name in names if not name.lower().endswith(".gz")}
    rest = [name for name in names if name.lower().removesuffix(".gz") not in unpacked]
    rest += [name for name in names if name.lower() in unpacked]
    places = {(folder / name).resolve(): name for name in sorted(rest, reverse=True)}
    if len(places) > 1:
        split, kind = role
        raise InputError(
            f"pcam-ambiguous: {folder} holds {len(places)} files that may be the {split} split's "
            f"{kind}: {', '.join(sorted(places.values()))}. Leave one, or name one's own folder."
        )
    return next(iter(places.values()))


def _is_array(name: str) -> bool:
    found = role(name.rpartition("/")[2])
    return found is not None and found[1] != "meta"


def _names(folder: Path, depth: int, start: str = "") -> Iterator[str]:
    """Yield the files in a folder and, `depth` deep, in folders of it, named from the first."""
    with os.scandir(folder) as found:
        files = list(itertools.islice(found, MAX_LISTED))
    for file in files:
        if Path(file.path).is_file():
            yield start + file.name
        elif depth and Path(file.path).is_dir():
            yield from _names(Path(file.path), depth - 1, f"{start}{file.name}/")
