"""Reads a few patches of the source again, to find out whether they changed since `ingesting`.

DVC detects a changed file only by its size and time. Archives and copies restore a patch with both
unchanged. Then ingest doesn't read it again, and the gate would report it for ever.
"""

import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from metastasis.base.errors import InputError, named
from metastasis.formats import images, listings, opening
from metastasis.formats.images import Frames
from metastasis.formats.pcam_files import PcamFiles
from metastasis.formats.sources import LABELS_NAME, SUBMISSION_NAME, Content, Entry, Source
from metastasis.patches.shards import UInt8

MAX_TOUCHED = 10  # files that a command lists one by one
MAX_REREAD = 1000  # patches: more have a common cause, which these show as well


def changed(source_path: Path, rows: pd.DataFrame, tables_folder: Path) -> list[str]:
    """Return the names of the files that changed in the source since it was read.

    It reads the tables and these rows of the inventory, at most the first `MAX_REREAD`. If the
    source is missing or can't be read, nothing counts as changed.
    """
    try:
        with closing(opening.open_source(source_path)) as source:
            if rows.empty and isinstance(source, PcamFiles) and source.is_packed:
                return []  # it would take minutes of unpacking, only for the labels
            return _changed(source, rows.head(MAX_REREAD)) + _changed_tables(source, tables_folder)
    except (InputError, OSError):
        return []


def advice(source_path: Path, names: Sequence[str]) -> str:
    """Return a message with the changes, and the commands that make DVC notice the change."""
    source_path = listings.folder_of(source_path)
    paths = [source_path / name for name in names]
    if source_path.is_file():
        command = f"touch {shlex.quote(str(source_path))}"
    elif len(paths) <= MAX_TOUCHED and all(path.is_file() for path in paths):
        command = "touch " + shlex.join(map(str, paths))
    else:
        command = f"find {shlex.quote(str(source_path))} -type f -exec touch {{}} +"
    return (
        f"the source has changed since `ingest` read it ({len(names):,} found: {named(names)}). "
        "DVC can't notice it, because the files' sizes and times are the same as before. Give them "
        f"a new time and run again:\n  {command}\n  dvc repro\nIf you may not write there: "
        "`dvc repro --force --single-item ingest`, and then `dvc repro`."
    )


def _changed(source: Source, rows: pd.DataFrame) -> list[str]:
    entries = {(entry.pool, entry.name): entry for entry in source.entries()}
    frames = Frames()
    out = np.empty(images.PATCH_SHAPE, np.uint8)
    names = []
    for row in rows.to_dict("records"):
        entry = entries.get((row["pool"], row["name"]))
        now = ("", "") if entry is None else _facts(_content(source, entry), out, frames)
        if now != (row["flaw"], row["sha1"]):
            names.append(str(row["name"]))
    return names


def _changed_tables(source: Source, folder: Path) -> list[str]:
    found = source.tables()
    return [
        name
        for name in (LABELS_NAME, SUBMISSION_NAME)
        if name in found
        and (folder / name).is_file()
        and (folder / name).read_bytes() != found[name]
    ]


def _content(source: Source, entry: Entry) -> Content:
    read: Sequence[Content] = [entry.flaw] if entry.flaw else list(source.read([entry]))
    return read[0]


def _facts(content: Content, out: UInt8, frames: Frames) -> tuple[str, str]:
    """Return the flaw of an image, or else the hash of its pixels, as in the inventory."""
    flaw = images.look(content, out, frames).flaw
    return (flaw, "") if flaw else ("", images.sha1(out))
