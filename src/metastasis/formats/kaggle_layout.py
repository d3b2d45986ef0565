"""Recognises images, tables and other files by their names in Kaggle's layout and its variants.

The layout is the same in a folder and in a zip; `kaggle_folder` and `kaggle_zip` read the files.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from metastasis.base import files
from metastasis.base.errors import InputError, named
from metastasis.formats import packed_tables
from metastasis.formats.sources import (
    LABELS_NAME,
    OTHER_SLIDES,
    SLIDES_NAME,
    SUBMISSION_NAME,
    Entry,
    Flaw,
    Format,
)
from metastasis.patches.shards import Pool
from metastasis.results import provenance

POOLS: dict[str, Pool] = {"train": "labelled", "test": "unlabelled"}  # of folders
CLASSES = ("0", "1")
MAX_DEPTH = 3  # of folders with images, such as train/images/0
FORMATS: dict[str, Format] = {
    "tif": "TIFF",
    "tiff": "TIFF",
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
}
# Maps a table's name in a source to its name in the pipeline. If there are several slide maps, the
# first is read; the second and third are the published names of the map of Kaggle's patches.
TABLE_NAMES = {
    LABELS_NAME: LABELS_NAME,
    SUBMISSION_NAME: SUBMISSION_NAME,
    SLIDES_NAME: SLIDES_NAME,
    "patch_id_wsi_full.csv": SLIDES_NAME,
    "patch_id_wsi.csv": SLIDES_NAME,
    provenance.SOURCE_NAME: provenance.TABLE_NAME,
}
RANKS = {name: rank for rank, name in enumerate(TABLE_NAMES)}
MAX_LOOKED_AT = 20  # other tables whose header is read
TEXT_TABLES = ("csv", "tsv", "tab", "txt")
WORKBOOKS = ("xls", "ods")  # also xlsx
MAP_HINT = (
    f" (looks like a slide map: name it {SLIDES_NAME} or set data.slides; it has to be in UTF-8, "
    "separated by commas)"
)
WORKBOOK_HINT = (
    f" (a workbook, which isn't read: if it holds the slide map, save its sheet as {SLIDES_NAME})"
)
NUM_LISTED = 10
OTHER_IMAGES = ("bmp", "gif", "webp", "jp2", "npy", "npz", "dcm", "svs", "ndpi")

Read = Callable[[str], bytes]


class Place(NamedTuple):
    """The pool and label of the images in a folder; `label` is empty if the folder gives none."""

    pool: Pool
    label: str = ""


@lru_cache(maxsize=1024)
def place(folder: str) -> Place | None:
    """Return pool and label of the images in `folder`, a path below the top, or None.

    Case is ignored, and so are `images` and a repeated name, as in train/train.
    """
    first, *rest = folder.lower().split("/")
    if first not in POOLS or len(rest) >= MAX_DEPTH:
        return None
    pool = POOLS[first]
    labels = [name for name in rest if name in CLASSES]
    is_known = all(name in CLASSES or name in ("images", first) for name in rest)
    if not is_known or len(labels) > (pool == "labelled"):
        return None
    return Place(pool, *labels)


def image(file_name: str) -> tuple[str, Format] | None:
    """Return the id and the format in an image file's name, or None for any other name."""
    stem, dot, suffix = file_name.rpartition(".")
    if not dot or file_name.startswith("."):
        return None
    found = FORMATS.get(suffix) or FORMATS.get(suffix.lower())
    return (stem, found) if found else None


def is_label_table(file_name: str) -> bool:
    """Return whether a file has the name of the label table, packed or not."""
    return packed_tables.plain_name(file_name) == LABELS_NAME


def may_be_whole_zip(file_name: str) -> bool:
    """Return whether a file may be the competition's zip, not the zip of a table."""
    is_table = packed_tables.plain_name(file_name) in TABLE_NAMES
    return file_name.lower().endswith(".zip") and not is_table


def tops(paths: Iterable[str]) -> list[str]:
    """Return where the layout may begin ("" or "folder/"), by label tables or else class folders.

    `paths` are those of files and folders.
    """
    by_table, by_folder = set(), set()
    for path in paths:
        *folders, name = path.split("/")
        if "__MACOSX" in folders:
            continue
        if is_label_table(name) and len(folders) <= 1:
            by_table.add("".join(f"{folder}/" for folder in folders))
        if folders and folders[-1].lower() == "train" and name in CLASSES and len(folders) <= 2:  # noqa: PLR2004  # the top, and train in it
            by_folder.add("".join(f"{folder}/" for folder in folders[:-1]))
    return sorted(by_table or by_folder)


def survey(paths: Iterable[str]) -> str:
    """Return a sentence on the names found instead, with images by folder and extension."""
    tops: set[str] = set()
    images: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        tops.add(path.split("/")[0])
        if dot and stem and suffix.lower() in {*FORMATS, *OTHER_IMAGES}:
            images[folder, suffix].append(name)
    listed = ", ".join(sorted(tops - {"", "."})[:NUM_LISTED]) or "nothing"
    groups = [
        f"{len(names):,} named *.{suffix} {f'in {folder}/' if folder else 'at the top'} "
        f"({min(names)})"
        for (folder, suffix), names in sorted(images.items())[:NUM_LISTED]
    ]
    return f"Found: {listed}." + (f" Images: {', '.join(groups)}." if groups else "")


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries by pool and name; several with the same id become one with a flaw."""
    groups: dict[tuple[Pool, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.pool, entry.id].append(entry)
    found = (group[0] if len(group) == 1 else _repeated(group) for group in groups.values())
    return sorted(found, key=lambda entry: (entry.pool, entry.name))


def tables(names: Iterable[str], read: Read, entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return the content of each table, by its name in the pipeline.

    `names` are those of the files at the top, and `read` returns the bytes of a file. The labels
    may come from folders (train/0, train/1), from a table, or from both. Slide maps other than the
    first are passed on under a name that begins with `OTHER_SLIDES`, to be compared with the first.

    Raises:
        InputError: a table can't be unpacked, two tables contradict each other, a table contradicts
            the folders, or there is no label table and an image is not in a class folder.
    """
    found = {}
    for known, candidates in _candidates(names).items():
        first, *others = candidates
        found[known] = packed_tables.unpack(first, read(first))
        for other in others:
            content = packed_tables.unpack(other, read(other))
            if known == SLIDES_NAME:
                # `ingest` names a file by it, so it may hold no folder; all are in the same one.
                found[f"{OTHER_SLIDES}{other.rpartition('/')[2]}"] = content
            elif content != found[known]:
                raise InputError(
                    f"table-twice: {first} and {other} differ; it is unclear which one applies. "
                    "Keep one."
                )
    return _with_folders(found, entries)


def strays(names: Collection[str], others: Iterable[str], peek: Read) -> list[str]:
    """Return the files that aren't read, of `names` at the top and `others`, with a guess of each.

    `peek` returns the first bytes of a file.
    """
    candidates = _candidates(names)
    tables = {name for group in candidates.values() for name in group}
    unknown = sorted(set(names) - tables)
    looked_at = [name for name in unknown if _has(name, TEXT_TABLES)][:MAX_LOOKED_AT]
    maps = {name for name in looked_at if packed_tables.is_slide_map(peek(name))}
    found = [
        name + (MAP_HINT if name in maps else WORKBOOK_HINT if _has(name, WORKBOOKS) else "")
        for name in unknown
    ]
    found += others
    return found + [
        f"{other} (not read: {group[0]} is)" for group in candidates.values() for other in group[1:]
    ]


def _has(name: str, suffixes: Collection[str]) -> bool:
    return any(f".{suffix}" in name.lower() for suffix in suffixes)


def _candidates(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the candidate files of each table; the first one is read."""
    groups: dict[str, list[tuple[int, bool, str]]] = defaultdict(list)
    for name in names:
        plain = packed_tables.plain_name(name.rpartition("/")[2])
        if plain in TABLE_NAMES:
            rank = (RANKS[plain], packed_tables.is_packed(name), name)
            groups[TABLE_NAMES[plain]].append(rank)
    return {known: [name for *_, name in sorted(group)] for known, group in groups.items()}


def _repeated(group: list[Entry]) -> Entry:
    names = sorted(entry.name for entry in group)
    if len(set(names)) == 1:
        found = f"{len(group)} members with this name"
    else:
        found = f"{len(group)} files with this id: {named(names)}"
    first = min(group, key=lambda entry: entry.name)
    return replace(first, flaw=Flaw("repeated", found))


def _with_folders(found: dict[str, bytes], entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return the tables; without a label table, the labels come from the folders."""
    labelled = [entry for entry in entries if entry.pool == "labelled"]
    said = {entry.id: entry.label for entry in labelled if entry.label}
    if LABELS_NAME in found:
        _check_contradictions(found[LABELS_NAME], said)
        return found
    bare = [entry.name for entry in labelled if not entry.label]
    if bare:
        raise InputError(
            f"labels-folders: there is no {LABELS_NAME}, and {len(bare):,} of {len(labelled):,} "
            f"images are in no folder 0 or 1, which would give their label "
            f"({named(bare)})."
        )
    table = pd.DataFrame({"id": list(said), "label": list(said.values())}, dtype="str")
    return found | {LABELS_NAME: files.csv(table)}


def _check_contradictions(table: bytes, said: dict[str, str]) -> None:
    wrong = [
        f"{id_} is in {said[id_]}/ but {label or 'empty'} in the table"
        for id_, label in (_rows(table) if said else ())
        if said.get(id_, label) != label
    ]
    if wrong:
        raise InputError(
            f"labels-folders: {len(wrong):,} of {len(said):,} images are in the folder of a "
            f"class other than that in {LABELS_NAME}: {named(wrong, '; ')}. One of the two is "
            "wrong: move the images, or remove the table if the folders are right."
        )


def _rows(table: bytes) -> Iterator[tuple[str, str]]:
    """Yield id and label of each row; nothing if the table is invalid, which the gate reports."""
    try:
        rows = pd.read_csv(io.BytesIO(table), dtype="str", keep_default_na=False)
        yield from zip(rows["id"].str.strip(), rows["label"].str.strip(), strict=True)
    except (ValueError, KeyError):
        return
