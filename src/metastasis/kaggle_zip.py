"""Reads Kaggle's zip as it is, without unpacking; the files may lie under one top folder."""

import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from metastasis import sources
from metastasis.errors import InputError
from metastasis.shards import Pool
from metastasis.sources import (
    IMAGE_SUFFIX,
    LABELS_NAME,
    MAX_FILE_BYTES,
    POOL_FOLDERS,
    Content,
    Entry,
    Flaw,
)

POOLS: dict[str, Pool] = {folder: pool for pool, folder in POOL_FOLDERS.items()}
ENCRYPTED = 0x1  # the bit of a member's flags
NUM_NAMED = 3
MAX_TABLE_BYTES = 2**28  # ten times Kaggle's largest: a zip can claim to hold any number


@dataclass(frozen=True)
class KaggleZip:
    """A zip in Kaggle's layout; `top` is the folder in it that holds the files, or empty."""

    path: Path
    archive: zipfile.ZipFile
    top: str

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the zip at `path`.

        Raises:
            InputError: it is no whole zip, holds no label table, or has members whose place would
                lie outside of it.
        """
        try:
            archive = zipfile.ZipFile(path)
        # Besides its own error it lets through those of names and versions that make no sense.
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
            raise InputError(
                f"zip-whole: {path} is no whole zip: its directory, which stands at the end, is "
                "missing or damaged. A download that broke off looks like this; fetch it again."
            ) from None
        outside = [name for name in archive.namelist() if _is_outside(name)]
        if outside:
            raise InputError(
                f"zip-members-inside: {path} has {len(outside):,} members with an absolute path or "
                f"with '..' in it ({', '.join(outside[:NUM_NAMED])}). Kaggle's has none: don't "
                "unpack this file, and fetch it again from where you trust."
            )
        return cls(path, archive, _top(path, archive))

    def entries(self) -> list[Entry]:
        """Return every ID.tif of train/ and test/ by pool and name."""
        members = [member for member in self.archive.infolist() if not member.is_dir()]
        counts = Counter(member.filename for member in members)
        entries = {}
        for member in members:
            place = self._place(member.filename)
            if place is not None:
                flaw = _flaw(member, counts[member.filename])
                entries[member.filename] = Entry(*place, member.filename, flaw)
        return sorted(entries.values(), key=lambda entry: (entry.pool, entry.name))

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the bytes of each image file."""
        return (self._read(entry.name, MAX_FILE_BYTES) for entry in entries)

    def tables(self) -> dict[str, bytes]:
        """Return the tables of the top folder.

        Raises:
            InputError: a table is there and can't be read.
        """
        counts = Counter(self.archive.namelist())
        found = {}
        for name in sources.TABLE_NAMES:
            count = counts[self.top + name]
            if count > 1:
                raise InputError(
                    f"zip-table-repeated: {self.path} holds {count} tables named {name}, of which "
                    "no one can tell which is meant. Leave one."
                )
            if count:
                content = self._read(self.top + name, MAX_TABLE_BYTES)
                if isinstance(content, Flaw):
                    finding = "zip-table-bytes" if content.kind == "bytes" else "zip-whole"
                    raise InputError(f"{finding}: {name} in {self.path}: {content.found}.")
                found[name] = content
        return sources.named(found)

    def strays(self) -> list[str]:
        """Return every other member."""
        tables = {self.top + name for name in sources.TABLE_NAMES}
        names = set(self.archive.namelist())
        strays = [
            name for name in names - tables if not name.endswith("/") and self._place(name) is None
        ]
        return sorted(strays) + sources.shadowed({name.removeprefix(self.top) for name in names})

    def close(self) -> None:
        """Close the archive."""
        self.archive.close()

    def _place(self, name: str) -> tuple[Pool, str] | None:
        """Return the pool and the id of the image that a member is, if it is one."""
        folder, _, file_name = name.removeprefix(self.top).partition("/")
        if not name.startswith(self.top) or folder not in POOLS or "/" in file_name:
            return None
        id_ = file_name.removesuffix(IMAGE_SUFFIX)
        return (POOLS[folder], id_) if id_ != file_name else None

    def _read(self, name: str, max_bytes: int) -> bytes | Flaw:
        try:
            claimed = self.archive.getinfo(name).file_size
            if claimed > max_bytes:
                return sources.too_large(claimed, max_bytes)
            # No further than is allowed: what a member claims to hold may be a lie.
            with self.archive.open(name) as member:
                content = member.read(max_bytes + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError):
            return Flaw("readable", "damaged within the zip")
        except RuntimeError:  # what zipfile raises for a member that asks for a password
            return Flaw("encrypted", "encrypted")
        except (NotImplementedError, OSError) as error:
            return Flaw("readable", f"not readable: {error}")
        return content if len(content) <= max_bytes else sources.too_large(len(content), max_bytes)


def _is_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    has_drive = any(":" in part for part in path.parts[:1])
    return path.is_absolute() or ".." in path.parts or has_drive


def _top(path: Path, archive: zipfile.ZipFile) -> str:
    """Return what stands before train_labels.csv: nothing, or one folder."""
    names = archive.namelist()
    places = {name: PurePosixPath(name).parts for name in names}
    tops = {
        name.removesuffix(LABELS_NAME)
        for name, parts in places.items()
        if parts[-1:] == (LABELS_NAME,) and len(parts) <= 2 and parts[0] != "__MACOSX"  # noqa: PLR2004  # a folder and the file
    }
    if len(tops) == 1:
        return tops.pop()
    if tops:
        found = ", ".join(repr(top) for top in sorted(tops))
        raise InputError(
            f"zip-tops: {path} holds a {LABELS_NAME} in several places ({found}); expected one, at "
            "its top or in one folder there."
        )
    found = ", ".join(sorted({parts[0] for parts in places.values() if parts})[:10]) or "nothing"
    raise InputError(
        f"data.source: {path} holds no {LABELS_NAME}, at its top or in one folder there; expected "
        f"Kaggle's zip. Found: {found}."
    )


def _flaw(member: zipfile.ZipInfo, count: int) -> Flaw | None:
    if count > 1:
        return Flaw("repeated", f"{count} members of this name")
    if member.flag_bits & ENCRYPTED:
        return Flaw("encrypted", "encrypted")
    if member.file_size > MAX_FILE_BYTES:
        return sources.too_large(member.file_size)
    return None
