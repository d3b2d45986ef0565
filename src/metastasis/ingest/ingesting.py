"""Reads every image of the source once, into uint8 shards and an inventory of the findings.

A bad image gets a row with its flaw; `validating` decides whether the data is good enough.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from metastasis.base import files, processor
from metastasis.formats import images, opening, packed_tables, sources
from metastasis.formats.images import Facts, Frames, Inspection, Measures
from metastasis.formats.sources import Content, Entry, Source
from metastasis.ingest import overlapping, placing
from metastasis.patches import shards
from metastasis.patches.shards import PATCH_SIZE, UInt8
from metastasis.results import provenance

ENTRY_COLUMNS = ("pool", "id", "name", "is_link_out")
TABLE_ROWS = 2**14  # rows kept as Python objects, which take five times the memory of a table
MAX_WORKERS = 16  # each keeps two chunks of 7 MB; no disk can feed more workers
CHUNK_ROWS = 256  # images per task: enough to hide the overhead, few enough to stay in cache

INVENTORY_DTYPES = {
    "pool": "str",
    "id": "str",
    "name": "str",  # in the source
    "is_link_out": "bool",  # a symbolic link out of the source
    "shard": "int32",  # -1: not in a shard
    "row": "int32",
    "width": "Int32",  # missing if unknown, as in all columns below
    "height": "Int32",
    "channels": "Int32",
    "dtype": "str",
    "num_bytes": "Int64",
    "compression": "str",
    "sha1": "str",
    "perceptual_hash": "str",
    "mean": "float32",
    "std": "float32",
    "mean_red": "float32",
    "mean_green": "float32",
    "mean_blue": "float32",
    "flaw": "str",  # one of images.FLAWS; empty: no flaw, and the image is in a shard
    "found": "str",
}


def ingest(
    source_path: Path,
    slides_path: Path,
    *,
    shards_folder: Path,
    inventory_path: Path,
    tables_folder: Path,
) -> None:
    """Pack the source into shards, and write its inventory and its tables.

    A slide map in the source has priority over the one at `slides_path`.

    Raises:
        InputError: the source or the slide map is missing, or its layout is unknown.
    """
    opening.check_slides(slides_path)
    opening.check_apart(source_path, [shards_folder, inventory_path, tables_folder])
    with closing(opening.open_source(source_path)) as source:
        found = _tables(source, slides_path)
        with files.whole_folder(shards_folder) as folder:
            inventory = _pack(source, folder)
            shards.write_index(folder, inventory[inventory["flaw"] == ""])
            overlaps = overlapping.table(inventory, shards.read(folder))
            shards.write_overlaps(folder, overlaps)
            shards.write_regions(folder, placing.place(overlaps))
        with files.whole_file(inventory_path) as path:
            inventory.to_parquet(path, index=False)
        with files.whole_folder(tables_folder) as folder:
            for name, content in found.items():
                (folder / name).write_bytes(content)
    num_flawed = int((inventory["flaw"] != "").sum())
    print(
        f"ingest: {len(inventory):,} images, {num_flawed:,} of them flawed; "
        f"{len(overlaps):,} pairs overlap"
    )


def _tables(source: Source, slides_path: Path) -> dict[str, bytes]:
    """Return every table by its name, including the list of files that aren't read."""
    beside = packed_tables.unpack(str(slides_path), slides_path.read_bytes())
    found = source.tables()
    strays = source.strays()
    if sources.SLIDES_NAME in found and len(beside.splitlines()) > 1:
        strays.append(f"{slides_path} (data.slides: the source has its own slide map)")
        found[f"{sources.OTHER_SLIDES}data.slides"] = beside
    found[provenance.TABLE_NAME] = _provenance(source, found)
    table = pd.DataFrame({"name": strays}, dtype="str")
    return {sources.SLIDES_NAME: beside} | found | {sources.STRAYS_NAME: files.csv(table)}


def _provenance(source: Source, found: dict[str, bytes]) -> bytes:
    """Return the source's declared origin; by default its format's name, and not drawn."""
    said = found.get(provenance.TABLE_NAME)
    if said is not None:
        known = provenance.parse(said, provenance.SOURCE_NAME)
    else:
        known = provenance.Provenance(name=source.title, is_drawn=False)
    return known.model_dump_json().encode()


def _pack(source: Source, folder: Path) -> pd.DataFrame:
    """Write the shards; return the inventory."""
    writer = shards.Writer(folder, PATCH_SIZE)
    tables = [_inventory([], [])]
    entries: list[tuple[Any, ...]] = []
    measures: list[tuple[Any, ...]] = []
    for chunk, found in _inspected(source):
        places = writer.extend(found.patches).tolist()
        entries.extend(
            (entry.pool, entry.id, entry.name, entry.is_link_out, *facts)
            for entry, facts in zip(chunk, found.facts, strict=True)
        )
        measures.extend(
            (*place, *measure, perceptual_hash)
            for place, measure, perceptual_hash in zip(
                places, found.measures, found.hashes, strict=True
            )
        )
        if len(entries) >= TABLE_ROWS:
            tables.append(_inventory(entries, measures))
            entries, measures = [], []
    writer.close()
    tables.append(_inventory(entries, measures))
    return pd.concat(tables, ignore_index=True)


def _inventory(entries: list[tuple[Any, ...]], measures: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Join the facts of all entries with the measures of the patches, which have the same order."""
    table = pd.DataFrame(entries, columns=[*ENTRY_COLUMNS, *Facts._fields])
    columns = ["shard", "row", *Measures._fields, "perceptual_hash"]
    measured = pd.DataFrame(measures, columns=columns)
    table = table.join(measured.set_index(table.index[table["flaw"] == ""]))
    table[["shard", "row"]] = table[["shard", "row"]].fillna(-1)
    table[["sha1", "perceptual_hash"]] = table[["sha1", "perceptual_hash"]].fillna("")
    return table[list(INVENTORY_DTYPES)].astype(INVENTORY_DTYPES)


def _inspected(source: Source) -> Iterator[tuple[list[Entry], Inspection]]:
    """Yield chunks of entries with their inspections, in order, while decoding ahead.

    The buffers are reused: the patches of a chunk are overwritten a few chunks later.
    """
    entries = source.entries()
    chunks = [entries[start : start + CHUNK_ROWS] for start in range(0, len(entries), CHUNK_ROWS)]
    num_workers = min(processor.usable_cores(), MAX_WORKERS)
    num_ahead = 2 * num_workers
    # The buffers are reused, because getting new memory costs more than decoding into it.
    shape = (num_ahead + 1, CHUNK_ROWS, *images.PATCH_SHAPE)
    frames = Frames()
    buffers = itertools.cycle(np.empty(shape, np.uint8))

    def inspect_chunk(chunk: list[Entry], buffer: UInt8) -> Inspection:
        return images.inspect(_contents(source, chunk), buffer, frames)

    cv2.setNumThreads(1)  # the thread pool is parallel already
    images.silence()  # a flawed file gets a row in the inventory, not a line on stderr
    with (
        tqdm(total=len(entries), desc="ingest", unit=" images", disable=None) as bar,
        ThreadPoolExecutor(num_workers) as pool,
    ):
        pending: deque[Future[Inspection]] = deque()
        for number in range(len(chunks) + num_ahead):
            if number < len(chunks):
                pending.append(pool.submit(inspect_chunk, chunks[number], next(buffers)))
            if number >= num_ahead:
                chunk = chunks[number - num_ahead]
                yield chunk, pending.popleft().result()
                bar.update(len(chunk))


def _contents(source: Source, entries: list[Entry]) -> Iterator[Content]:
    """Yield the content of each entry, or the flaw from the source's listing."""
    read = source.read([entry for entry in entries if entry.flaw is None])
    for entry in entries:
        yield entry.flaw or next(read)
