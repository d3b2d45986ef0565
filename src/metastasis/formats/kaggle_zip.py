"""Reads Kaggle's zip without unpacking it; its files may be in one top folder.

`kaggle_layout` recognises images and tables by their names. Some Windows tools write backslashes
between a member's folders; they are read as slashes.
"""

import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import ClassVar, Self

from metastasis.base.errors import InputError, named
from metastasis.formats import kaggle_layout, pcam_layout, sources
from metastasis.formats.packed_tables import HEAD_BYTES, MAX_TABLE_BYTES
from metastasis.formats.sources import LABELS_NAME, MAX_FILE_BYTES, Content, Encoded, Entry, Flaw

ENCRYPTED = 0x1  # the bit in a member's flags


@dataclass(frozen=True)
class KaggleZip:
    """A zip in Kaggle's layout; `top` is the folder in it that holds the files, or empty."""

    title: ClassVar[str] = "a source in Kaggle's layout"

    path: Path
    archive: zipfile.ZipFile
    top: str

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the zip at `path`.

        Raises:
            InputError: it is not a complete zip, holds no label table, or has members whose path
                leads outside.
        """
        try:
            archive = zipfile.ZipFile(path)
        # zipfile also raises these, for invalid names and versions.
        except (zipfile.BadZipFile, NotImplementedError, ValueError):
            raise InputError(
                f"zip-whole: {path} is not a complete zip: its directory, at the end of the file, "
                "is missing or damaged. The download may have broken off; fetch it again."
            ) from None
        outside = [name for name in archive.namelist() if _is_outside(name)]
        if outside:
            raise InputError(
                f"zip-members-inside: {path} has {len(outside):,} members with an absolute path or "
                f"with '..' in it ({named(outside)}). Kaggle's zip has none: don't "
                "unpack this file, and fetch it again from a source you trust."
            )
        return cls(path, archive, _top(path, archive.namelist()))

    def entries(self) -> list[Entry]:
        """Return every image of train/ and test/ by pool and name."""
        return self._entries

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the bytes of each image file."""
        for entry in entries:
            content = self._read(entry.name, MAX_FILE_BYTES)
            if entry.format == "TIFF" or isinstance(content, Flaw):
                yield content
            else:
                yield Encoded(entry.format, content)

    def tables(self) -> dict[str, bytes]:
        """Return the tables of the top folder, unpacked.

        Raises:
            InputError: a table can't be read, or contradicts another table or the folders.
        """
        return kaggle_layout.tables(self._top_files, self._read_table, self.entries())

    def strays(self) -> list[str]:
        """Return every other member."""
        known = {entry.name for entry in self._images}
        others = {
            _plain(name)
            for name in self.archive.namelist()
            if name not in known and not _plain(name).endswith("/")
        }
        others -= set(self._top_files)
        strays = kaggle_layout.strays(self._top_files, sorted(others), self._peek)
        return [sources.readable(stray) for stray in strays]

    def close(self) -> None:
        """Close the archive."""
        self.archive.close()

    @cached_property
    def _entries(self) -> list[Entry]:
        return kaggle_layout.in_order(self._images)

    @cached_property
    def _images(self) -> list[Entry]:
        found = []
        for member in self.archive.infolist():
            plain = _plain(member.filename)
            folder, _, file_name = plain.removeprefix(self.top).rpartition("/")
            image = kaggle_layout.image(file_name)
            place = kaggle_layout.place(folder) if plain.startswith(self.top) else None
            if image and place and file_name == sources.readable(file_name):
                (id_, form), (pool, label) = image, place
                name, flaw = member.filename, _flaw(member)
                found.append(Entry(pool, id_, name, flaw, format=form, label=label))
        return found

    @cached_property
    def _top_files(self) -> dict[str, str]:
        """Return the files at the top: each name with slashes, and as written in the archive."""
        names = {_plain(name): name for name in self.archive.namelist()}
        return {
            plain: name
            for plain, name in names.items()
            if plain.startswith(self.top) and "/" not in (plain.removeprefix(self.top) or "/")
        }

    def _peek(self, plain: str) -> bytes:
        content = self._read(self._top_files[plain], HEAD_BYTES, is_start=True)
        return b"" if isinstance(content, Flaw) else content

    def _read_table(self, plain: str) -> bytes:
        name = self._top_files[plain]
        count = sum(_plain(member) == plain for member in self.archive.namelist())
        if count > 1:
            raise InputError(
                f"zip-table-repeated: {self.path} holds {count} tables named {plain}; it is "
                "unclear which one applies. Keep one."
            )
        content = self._read(name, MAX_TABLE_BYTES)
        if isinstance(content, Flaw):
            finding = "zip-table-bytes" if content.kind == "bytes" else "zip-whole"
            raise InputError(f"{finding}: {plain} in {self.path}: {content.found}.")
        return content

    def _read(self, name: str, max_bytes: int, *, is_start: bool = False) -> bytes | Flaw:
        """Return a member's content, or only its start with `is_start`."""
        try:
            claimed = self.archive.getinfo(name).file_size
            if claimed > max_bytes and not is_start:
                return sources.too_large(claimed, max_bytes)
            # Read no more than allowed: the declared size may be false.
            with self.archive.open(name) as member:
                content = member.read(max_bytes + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError):
            return Flaw("readable", "damaged within the zip")
        except RuntimeError:  # zipfile's error for a member with a password
            return Flaw("encrypted", "encrypted")
        except (NotImplementedError, OSError) as error:
            return Flaw("readable", f"not readable: {error}")
        if is_start:
            return content[:max_bytes]
        return content if len(content) <= max_bytes else sources.too_large(len(content), max_bytes)


def _is_outside(name: str) -> bool:
    path = PurePosixPath(_plain(name))
    has_drive = any(":" in part for part in path.parts[:1])
    return path.is_absolute() or ".." in path.parts or has_drive


def _plain(name: str) -> str:
    """Return a member's name with slashes between its folders."""
    return name.replace("\\", "/")


def _top(path: Path, names: Iterable[str]) -> str:
    """Return the folder of train_labels.csv, or else of train/0: nothing, or one folder.

    Raises:
        InputError: there is none, or there are several.
    """
    plain = {_plain(name) for name in names}
    parents = {str(parent) for name in plain for parent in PurePosixPath(name).parents}
    tops = kaggle_layout.tops(plain | parents)
    if len(tops) == 1:
        return tops[0]
    if tops:
        found = ", ".join(map(repr, tops))
        raise InputError(
            f"zip-tops: {path} holds a {LABELS_NAME} in several folders ({found}); expected one, "
            "at its top or in one folder."
        )
    raise InputError(
        f"data.source: {path} holds no {LABELS_NAME}, neither at its top nor in one folder; "
        f"expected Kaggle's zip. {kaggle_layout.survey(plain)}"
        + (
            " These are PatchCamelyon's files: unpack them and name their folder."
            if any(pcam_layout.role(name.rpartition("/")[2]) for name in plain)
            else ""
        )
    )


def _flaw(member: zipfile.ZipInfo) -> Flaw | None:
    if member.flag_bits & ENCRYPTED:
        return Flaw("encrypted", "encrypted")
    if member.file_size > MAX_FILE_BYTES:
        return sources.too_large(member.file_size)
    return None
