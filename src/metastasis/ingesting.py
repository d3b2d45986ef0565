"""Reads every image of the source once, into uint8 shards and an inventory of what was found.

Whether what was found is good enough, `validating` decides: a bad image is a row with its reason.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from metastasis import files, shards, sources
from metastasis.params import Section
from metastasis.shards import UInt8
from metastasis.sources import Entry

PATCH_SIZE = 96
DEMO_PATH = Path("data/demo")  # what data/dvc.yaml builds
CHUNK_ROWS = 256  # images a task: long enough to hide the hand-over, short enough to stay in cache

INVENTORY_DTYPES = {
    "pool": "str",
    "id": "str",
    "shard": "int32",  # -1: the image is in no shard
    "row": "int32",
    "width": "int32",
    "height": "int32",
    "channels": "int32",
    "dtype": "str",
    "num_bytes": "int64",
    "sha1": "str",
    "mean": "float32",
    "std": "float32",
    "problem": "str",  # empty: none
}

Inspection = tuple[UInt8 | None, dict[str, Any]]
Item = TypeVar("Item")
Result = TypeVar("Result")


class DataParams(Section):
    """Where the data is: both are paths, relative to the folder of dvc.yaml or absolute."""

    source: str
    slides: str


def ingest(
    source_path: Path,
    slides_path: Path,
    *,
    shards_folder: Path,
    inventory_path: Path,
    tables_folder: Path,
) -> None:
    """Pack the source into shards, and write its inventory and its tables.

    A slide map inside the source wins over `slides_path`, which may hold no rows.

    Raises:
        InputError: the source is missing, or of no known layout.
    """
    source = sources.open_source(source_path)
    found = source.tables()
    if sources.SLIDES_NAME not in found and sources.has_rows(slides_path.read_bytes()):
        found[sources.SLIDES_NAME] = slides_path.read_bytes()
    with files.whole_folder(tables_folder) as folder:
        for name, content in found.items():
            (folder / name).write_bytes(content)
    with files.whole_folder(shards_folder) as folder:
        inventory = _pack(source, folder)
        shards.write_index(folder, inventory[inventory["problem"] == ""])
    inventory.to_parquet(inventory_path, index=False)
    num_problems = int((inventory["problem"] != "").sum())
    print(f"ingest: {len(inventory):,} images, {num_problems:,} of them unusable")


def inspect(content: bytes) -> Inspection:
    """Decode one image file; return its pixels, if they are a patch, and its inventory row.

    The pixels are (96, 96, 3) uint8, RGB. The row lacks pool, id, shard and row; its `problem` says
    why there are no pixels.
    """
    row: dict[str, Any] = {"num_bytes": len(content), "problem": ""}
    image = _decode(content)
    if image is None:
        return None, row | {"problem": "not decodable"}
    height, width, channels = image.shape
    row |= {"height": height, "width": width, "channels": channels, "dtype": str(image.dtype)}
    if image.shape != (PATCH_SIZE, PATCH_SIZE, 3) or image.dtype != np.uint8:
        found = f"{height}x{width}x{channels} {image.dtype}"
        return None, row | {"problem": f"{found}, expected {PATCH_SIZE}x{PATCH_SIZE}x3 uint8"}
    patch = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    mean, std = cv2.meanStdDev(patch.reshape(-1))
    row |= {"sha1": hashlib.sha1(patch.data).hexdigest(), "mean": mean.item(), "std": std.item()}  # noqa: S324  # Kaggle's own id, no secret
    return patch, row


def _decode(content: bytes) -> np.ndarray | None:
    if not content:
        return None  # OpenCV raises on an empty buffer, and on nothing else
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return image if image is None or image.ndim == 3 else image[:, :, np.newaxis]  # noqa: PLR2004


def _pack(source: sources.KaggleFolder, folder: Path) -> pd.DataFrame:
    writer = shards.Writer(folder, PATCH_SIZE)
    rows = []
    for entry, (patch, row) in _inspected(source):
        shard, number = (-1, -1) if patch is None else writer.add(patch)
        rows.append({"pool": entry.pool, "id": entry.id, "shard": shard, "row": number} | row)
    writer.close()
    table = pd.DataFrame(rows, columns=list(INVENTORY_DTYPES))
    integers = table.select_dtypes("number").columns.difference(["mean", "std"])
    text = ["dtype", "sha1"]
    table[text] = table[text].fillna("")
    table[integers] = table[integers].fillna(0)
    return table.astype(INVENTORY_DTYPES)


def _inspected(source: sources.KaggleFolder) -> Iterator[tuple[Entry, Inspection]]:
    """Yield each entry with what `inspect` found, in order, decoding ahead on every core."""
    entries = source.entries()
    chunks = [entries[start : start + CHUNK_ROWS] for start in range(0, len(entries), CHUNK_ROWS)]

    def inspect_chunk(chunk: list[Entry]) -> list[Inspection]:
        return [inspect(source.read(entry)) for entry in chunk]

    cv2.setNumThreads(1)  # the pool is the parallelism
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # an undecodable file is a row of the inventory, not a line on stderr
    with tqdm(total=len(entries), desc="ingest", unit=" images", disable=None) as bar:
        for chunk, results in zip(chunks, _map_ahead(inspect_chunk, chunks), strict=True):
            yield from zip(chunk, results, strict=True)
            bar.update(len(chunk))


def _map_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `function` of each item in order; a bounded number is under way, so memory is too."""
    num_workers = os.cpu_count() or 1
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(num_workers) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * num_workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
