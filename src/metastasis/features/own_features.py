"""Reads features that the user computed, from an .npz with the arrays `id` and `features`.

The file is read as a stream, since its array may be larger than the memory.
"""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import feature_files
from metastasis.base.errors import InputError, named

MEND = 'np.savez("features.npz", id=ids, features=features)'
ROWS = 1024  # read at a time
# What zipfile and NumPy raise for files that are damaged or encrypted.
UNREADABLE = (
    OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def copy(path: Path, index: pd.DataFrame, folder: Path) -> tuple[int, int]:
    """Write the features of those patches of `index` that the file has; return rows and columns.

    Ids of other patches are left out.

    Raises:
        InputError: the file can't be read, has other arrays or an id twice, or has features of none
            of the labelled patches.
    """
    with _reading(path), zipfile.ZipFile(path) as archive:
        ids = _ids(archive, path)
        rows = pd.Series(np.arange(len(ids)), ids).reindex(index["id"]).to_numpy()
        has_features = ~np.isnan(rows)
        kept = index[has_features]
        if not (kept["pool"] == "labelled").any():
            raise InputError(
                f"{path} has features of other patches: of its {len(ids):,} ids ({named(ids)}) "
                f"none is a labelled patch here ({named(index['id'])}). Compute the features of "
                "this source's patches, and name each by its id in data/split.csv."
            )
        with archive.open("features.npy") as member:
            (num, width), dtype = _header(member, path)
            if num != len(ids):
                raise InputError(
                    f"{path} has {len(ids):,} ids and {num:,} rows of features; expected a row for "
                    "each id."
                )
            if num * width * dtype.itemsize > archive.getinfo("features.npy").file_size:
                raise EOFError("the array `features` ends early")  # before its copy takes room
            matrix = feature_files.create(folder, kept, width)
            _fill(
                matrix,
                rows[has_features].astype(np.int64),
                _blocks(member, num, width, dtype),
                path,
            )
    return matrix.shape[0], matrix.shape[1]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise InputError(
            f"{path} can't be read ({error}); expected an .npz with the arrays `id` (n,) and "
            f"`features` (n, d). Write it with `{MEND}`."
        ) from error


def _ids(archive: zipfile.ZipFile, path: Path) -> pd.Index:
    with archive.open("id.npy") as member:
        try:
            found = np.lib.format.read_array(member, allow_pickle=False)
        except (ValueError, MemoryError) as error:  # objects, no array, or a shape beyond memory
            raise InputError(
                f"{path}: the array `id` can't be read ({error}); expected text, (n,). Write it "
                "with `id=np.array(ids, str)`."
            ) from error
    if found.ndim != 1 or found.dtype.kind not in "USiu":
        raise InputError(
            f"{path}: the array `id` has the shape {found.shape} and the type {found.dtype}; "
            "expected text, (n,)."
        )
    try:
        ids: pd.Index[str] = pd.Index(found.astype(str))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: the array `id` holds bytes that aren't ASCII ({error}); expected text, (n,). "
            "Write it with `id=np.array(ids, str)`."
        ) from error
    if ids.has_duplicates:
        twice = ids[ids.duplicated()].unique()
        raise InputError(
            f"{path} has {len(twice):,} ids twice ({named(twice)}); expected each once. Remove the "
            "copies."
        )
    return ids


def _header(member: IO[bytes], path: Path) -> tuple[tuple[int, int], np.dtype[np.floating]]:
    """Return shape and type of the array of features, and leave `member` at its values."""
    try:
        read = _HEADERS[np.lib.format.read_magic(member)]
        shape, is_fortran, dtype = read(member)
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path}: the array `features` can't be read ({error}); write the file with `{MEND}`."
        ) from error
    if len(shape) != 2 or shape[1] < 2 or dtype.kind != "f" or is_fortran:  # noqa: PLR2004
        order = ", by columns" if is_fortran else ""
        raise InputError(
            f"{path}: the array `features` has the shape {shape} and the type {dtype}{order}; "
            "expected floats of (n, d) with d above 1, stored by rows. Write "
            "`features=np.ascontiguousarray(features, np.float16)`."
        )
    return shape, dtype


def _blocks(
    member: IO[bytes], num: int, width: int, dtype: np.dtype[np.floating]
) -> Iterator[NDArray[np.floating]]:
    """Yield the rows of an array, `ROWS` at a time."""
    for start in range(0, num, ROWS):
        size = min(ROWS, num - start) * width * dtype.itemsize
        content = member.read(size)
        if len(content) < size:
            raise EOFError("the array `features` ends early")
        yield np.frombuffer(content, dtype).reshape(-1, width)


def _fill(
    matrix: feature_files.Half,
    rows: NDArray[np.int64],
    blocks: Iterator[NDArray[np.floating]],
    path: Path,
) -> None:
    """Set each of `matrix` to the row of the file that `rows` names."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    start = 0
    for block in blocks:
        first, last = np.searchsorted(ascending, [start, start + len(block)])
        places = order[first:last]
        matrix[places] = feature_files.to_half(block[rows[places] - start], path)
        start += len(block)
