"""Reads Kaggle's zip as it is, without unpacking; the files may lie under one top folder."""

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
from metastasis.sources import IMAGE_SUFFIX, LABELS_NAME, POOL_FOLDERS, Content, Entry, Flaw

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
        except zipfile.BadZipFile:
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
        return (self._read(entry.name) for entry in entries)

    def tables(self) -> dict[str, bytes]:
        """Return the tables of the top folder.

        Raises:
            InputError: a table is there and can't be read.
        """
        names = set(self.archive.namelist())
        found = {}
        for name, known in sources.TABLE_NAMES.items():
            if self.top + name in names:
                num_bytes = self.archive.getinfo(self.top + name).file_size
                if num_bytes > MAX_TABLE_BYTES:
                    raise InputError(
                        f"zip-table-bytes: {name} in {self.path} claims {num_bytes:,} bytes; "
                        f"expected at most {MAX_TABLE_BYTES:,}."
                    )
                content = self._read(self.top + name)
                if isinstance(content, Flaw):
                    raise InputError(f"zip-whole: {name} in {self.path} is {content.found}.")
                found[known] = content
        return found

    def strays(self) -> list[str]:
        """Return every other member."""
        tables = {self.top + name for name in sources.TABLE_NAMES}
        return sorted(
            name
            for name in set(self.archive.namelist()) - tables
            if not name.endswith("/") and self._place(name) is None
        )

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

    def _read(self, name: str) -> bytes | Flaw:
        try:
            return self.archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError):  # its own bytes are damaged
            return Flaw("readable", "damaged within the zip")
        except RuntimeError:  # what zipfile raises for a member that asks for a password
            return Flaw("encrypted", "encrypted")
        except (NotImplementedError, OSError) as error:
            return Flaw("readable", f"not readable: {error}")


def _is_outside(name: str) -> bool:
    path = PurePosixPath("." if not name else name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in path.parts[0]


def _top(path: Path, archive: zipfile.ZipFile) -> str:
    """Return what stands before train_labels.csv: nothing, or one folder."""
    names = archive.namelist()
    for name in names:
        parts = PurePosixPath(name).parts
        if parts[-1:] == (LABELS_NAME,) and len(parts) <= 2 and parts[0] != "__MACOSX":  # noqa: PLR2004  # a folder and the file
            return name.removesuffix(LABELS_NAME)
    found = ", ".join(sorted({PurePosixPath(name).parts[0] for name in names})[:10]) or "nothing"
    raise InputError(
        f"data.source: {path} holds no {LABELS_NAME}, at its top or in one folder there; expected "
        f"Kaggle's zip. Found: {found}."
    )


def _flaw(member: zipfile.ZipInfo, count: int) -> Flaw | None:
    if count > 1:
        return Flaw("repeated", f"{count} members of this name")
    if member.flag_bits & ENCRYPTED:
        return Flaw("encrypted", "encrypted")
    return sources.too_large(member.file_size)
