"""Unpacks tables, which Kaggle's client and the maps' authors deliver as .csv.zip and .csv.gz.

`kaggle_layout` finds the tables.
"""

import csv
import gzip
import io
import lzma
import zipfile
import zlib
from typing import IO

from metastasis import tables
from metastasis.base.errors import InputError
from metastasis.formats import slide_columns

MAX_TABLE_BYTES = 2**28  # ten times Kaggle's largest: a packed file can claim any size
HEAD_BYTES = 2**16  # enough for a header, packed or not
PACKINGS = (".gz", ".zip")
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = (b"PK\3\4", b"PK\5\6")  # the second is that of an empty zip
SEPARATORS = "," + tables.OTHER_SEPARATORS
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def plain_name(name: str) -> str:
    """Return the name in lower case, without the extension of a packed file."""
    name = name.lower()
    for packing in PACKINGS:
        name = name.removesuffix(packing)
    return name


def is_packed(name: str) -> bool:
    """Return whether the name says that the file is packed."""
    return name.lower().endswith(PACKINGS)


def unpack(name: str, content: bytes) -> bytes:
    """Return the table in `content`; the first bytes show whether it is packed.

    Raises:
        InputError: it is damaged, doesn't hold exactly one table, or is larger than any table.
    """
    if content.startswith(GZIP_MAGIC):
        stream = gzip.GzipFile(fileobj=io.BytesIO(content))
        return _limited(name, stream)
    return _unzip(name, content) if content.startswith(ZIP_MAGIC) else content


def is_slide_map(head: bytes) -> bool:
    """Return whether a table's header has a column of ids and one of slides or patients.

    `head` holds its first bytes, plain or packed by gzip. A map with other separators or in UTF-16
    is one too, though it can't be read so.
    """
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES)
        except zlib.error:
            return False
    encoding = "utf-16" if head.startswith(UTF_16_MARKS) else "utf-8-sig"
    lines = head.decode(encoding, "replace").splitlines()
    headers = (next(csv.reader(lines[:1], delimiter=mark), []) for mark in SEPARATORS)
    return any(map(slide_columns.are_of_slide_map, headers))


def _unzip(name: str, content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [
                member
                for member in archive.namelist()
                if member.lower().endswith(".csv") and not member.startswith("__MACOSX")
            ]
            if len(members) == 1:
                with archive.open(members[0]) as member:
                    return _limited(name, member)
    except InputError:  # a ValueError, like zipfile's own for invalid offsets
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(name, error) from None
    found = ", ".join(members) or "none"
    is_workbook = any(member.startswith("xl/") for member in archive.namelist())
    kind = "an Excel workbook: save its sheet as CSV" if is_workbook else "a zip"
    raise InputError(f"table-packed: {name} is {kind}; expected one .csv in it, found: {found}.")


def _limited(name: str, stream: IO[bytes] | gzip.GzipFile) -> bytes:
    try:
        content = stream.read(MAX_TABLE_BYTES + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _damaged(name, error) from None
    if len(content) > MAX_TABLE_BYTES:
        raise InputError(
            f"table-packed: {name} holds more than {MAX_TABLE_BYTES:,} bytes, ten times as many as "
            "the largest known table; it can't be one."
        )
    return content


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(f"table-packed: {name} can't be unpacked: {error}. Fetch it again.")
