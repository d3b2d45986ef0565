"""Reads a few patches of the source again: is it still what `ingesting` found in it?

DVC tells whether a file has changed by its size and its time alone. A patch that is restored with
both, as archives and copies restore it, is not read again, and the gate would name it for ever.
"""

import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from metastasis.base.errors import InputError, named
from metastasis.formats import images, opening
from metastasis.formats.images import Frames
from metastasis.formats.pcam_files import PcamFiles
from metastasis.formats.sources import LABELS_NAME, SUBMISSION_NAME, Content, Entry, Source
from metastasis.patches.shards import UInt8

MAX_TOUCHED = 10  # files that are named one by one in a command
MAX_REREAD = 1000  # patches: more are broken by one cause, which these show as well


def changed(source_path: Path, rows: pd.DataFrame, tables_folder: Path) -> list[str]:
    """Return the names of what the source now holds otherwise than it was found.

    Looked at are its tables and these rows of the inventory, of more than `MAX_REREAD` the first
    ones. A source that isn't there any more, or can't be read, says nothing.
    """
    try:
        with closing(opening.open_source(source_path)) as source:
            if rows.empty and isinstance(source, PcamFiles) and source.is_packed:
                return []  # minutes of unpacking, to look at nothing but labels
            return _changed(source, rows.head(MAX_REREAD)) + _changed_tables(source, tables_folder)
    except (InputError, OSError):
        return []


def advice(source_path: Path, names: Sequence[str]) -> str:
    """Return what was found, and the commands that have DVC see it and read the source again."""
    paths = [source_path / name for name in names]
    if source_path.is_file():
        command = f"touch {shlex.quote(str(source_path))}"
    elif len(paths) <= MAX_TOUCHED and all(path.is_file() for path in paths):
        command = "touch " + shlex.join(map(str, paths))
    else:
        command = f"find {shlex.quote(str(source_path))} -type f -exec touch {{}} +"
    return (
        f"the source has changed since `ingest` read it ({len(names):,} found: {named(names)}). "
        "DVC can't see it, as size and time of the files are the same as before. Give them a new "
        f"time, and run again:\n  {command}\n  dvc repro\nIf you may not write there: "
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
    """Return the flaw of an image, or the hash of its pixels, as the inventory has them."""
    flaw = images.look(content, out, frames).flaw
    return (flaw, "") if flaw else ("", images.sha1(out))
