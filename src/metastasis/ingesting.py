"""Reads every image of the source once, into uint8 shards and an inventory of what was found.

Whether what was found is good enough, `validating` decides: a bad image is a row with its reason.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar

import cv2
import numpy as np
import pandas as pd
from pydantic import Field
from tqdm import tqdm

from metastasis import files, shards, sources
from metastasis.errors import InputError
from metastasis.params import Section
from metastasis.shards import PATCH_SIZE, UInt8
from metastasis.sources import Entry

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

    source: Annotated[str, Field(min_length=1)]
    slides: Annotated[str, Field(min_length=1)]


def ingest(
    source_path: Path,
    slides_path: Path,
    *,
    shards_folder: Path,
    inventory_path: Path,
    tables_folder: Path,
) -> None:
    """Pack the source into shards, and write its inventory and its tables.

    A slide map inside the source wins over the one at `slides_path`.

    Raises:
        InputError: the source or the slide map is missing, or of no known layout.
    """
    source = sources.open_source(source_path)
    _check_slides(slides_path)
    with files.whole_folder(shards_folder) as folder:
        inventory = _pack(source, folder)
        shards.write_index(folder, inventory[inventory["problem"] == ""])
    inventory.to_parquet(inventory_path, index=False)
    found = {sources.SLIDES_NAME: slides_path.read_bytes()} | source.tables()
    with files.whole_folder(tables_folder) as folder:
        for name, content in found.items():
            (folder / name).write_bytes(content)
    num_problems = int((inventory["problem"] != "").sum())
    print(f"ingest: {len(inventory):,} images, {num_problems:,} of them unusable")


def check(params: DataParams) -> None:
    """Raise InputError if the source or the slide map is not there to be ingested."""
    _check_slides(Path(params.slides))
    source = Path(params.source)
    if source == DEMO_PATH:
        return
    if DEMO_PATH.resolve().is_relative_to(source.resolve()):
        raise InputError(
            f"data.source: {source} holds the pipeline's own outputs, which DVC removes at will; "
            "put the source into a folder of its own."
        )
    sources.open_source(source)


def _check_slides(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"data.slides: {path} is no file; expected a CSV with the columns id and slide (or "
            "wsi). The project's own data/slides.csv, with a header and no row, says: unknown."
        )


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
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # of an empty file, or one that claims to hold more pixels than OpenCV reads
        return None
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
        return [_inspected_entry(source, entry) for entry in chunk]

    cv2.setNumThreads(1)  # the pool is the parallelism
    # An undecodable file is a row of the inventory, not a line on stderr.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    with tqdm(total=len(entries), desc="ingest", unit=" images", disable=None) as bar:
        for chunk, results in zip(chunks, _map_ahead(inspect_chunk, chunks), strict=True):
            yield from zip(chunk, results, strict=True)
            bar.update(len(chunk))


def _inspected_entry(source: sources.KaggleFolder, entry: Entry) -> Inspection:
    if not entry.is_named_as_image:
        return None, {"problem": "not named ID.tif"}
    try:
        return inspect(source.read(entry))
    except OSError as error:  # a folder, a broken link, no permission
        return None, {"problem": f"not readable: {error.strerror}"}


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
