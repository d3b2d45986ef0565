"""Reads a folder in Kaggle's layout, as the competition's zip unpacks to.

`kaggle_layout` recognises images and tables by their names.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from metastasis.formats import kaggle_layout, sources
from metastasis.formats.kaggle_layout import POOLS, Place
from metastasis.formats.packed_tables import HEAD_BYTES
from metastasis.formats.sources import MAX_FILE_BYTES, Content, Encoded, Entry, Flaw, Format

MAX_LISTED = 1000  # names read in a subfolder that may be the top one


def tops(folder: Path) -> list[str]:
    """Return where in `folder` the layout may begin: "" for itself, "name/" for a subfolder."""
    return kaggle_layout.tops(near(folder))


def near(folder: Path) -> Iterator[str]:
    """Yield all names in a folder, the first ones in its subfolders, and those of class folders.

    A subfolder that can't be listed, such as lost+found, is yielded with the reason.
    """
    with os.scandir(folder) as files:
        for file in files:
            try:
                inside = list(_first(file))
            except OSError as error:
                yield f"{file.name} ({error.strerror})"
            else:
                yield file.name
                yield from inside


@dataclass(frozen=True)
class KaggleFolder:
    """A folder in Kaggle's layout; `top` is the subfolder that holds the files, or empty."""

    title: ClassVar[str] = "a source in Kaggle's layout"

    folder: Path
    top: str = ""

    def entries(self) -> list[Entry]:
        """Return every image of train/ and test/, sorted by pool and name."""
        return self._listing[0]

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the bytes of each image file."""
        return (_read(f"{self.folder}/{entry.name}", entry.format) for entry in entries)

    def tables(self) -> dict[str, bytes]:
        """Return the tables of the top folder, unpacked.

        Raises:
            InputError: a table can't be unpacked, or contradicts another or the images' folders.
        """
        return kaggle_layout.tables(self._top_files, self._read_table, self.entries())

    def strays(self) -> list[str]:
        """Return the other files in the top folder, in train/ and in test/."""
        strays = kaggle_layout.strays(self._top_files, self._listing[1], self._peek)
        return [sources.readable(stray) for stray in strays]

    def close(self) -> None:
        """Do nothing: a folder has no open files."""

    @cached_property
    def _top_files(self) -> list[str]:
        files = self._files(self.top)
        return [self.top + file.name for file in files if Path(file.path).is_file()]

    @cached_property
    def _listing(self) -> tuple[list[Entry], list[str]]:
        """Return the entries, and all other names except for the files at the top."""
        root = self.folder.resolve()
        entries: list[Entry] = []
        strays = []
        if self.top:
            strays = [_described(f, "") for f in self._files("") if f"{f.name}/" != self.top]
        folders = [file for file in self._files(self.top) if not Path(file.path).is_file()]
        strays += [_described(file, self.top) for file in folders if file.name.lower() not in POOLS]
        pools = [file.name for file in folders if file.name.lower() in POOLS]
        for name in sorted(pools, key=lambda name: list(POOLS).index(name.lower())):
            self._list(name, root, entries, strays)
        return kaggle_layout.in_order(entries), strays

    def _list(self, folder: str, root: Path, entries: list[Entry], strays: list[str]) -> None:
        """Add each file in a folder, given relative to the top, to one of the lists."""
        place = kaggle_layout.place(folder)
        for file in self._files(self.top + folder):
            name = f"{folder}/{file.name}"
            image = kaggle_layout.image(file.name)
            if image and place and file.name == sources.readable(file.name):
                entries.append(_entry(place, image, self.top + name, file, root))
            elif kaggle_layout.place(name) and Path(file.path).is_dir():
                self._list(name, root, entries, strays)
            else:
                strays.append(_described(file, f"{self.top}{folder}/"))

    def _files(self, name: str) -> list[os.DirEntry[str]]:
        if not (self.folder / name).is_dir():
            return []
        with os.scandir(self.folder / name) as files:
            return sorted(files, key=lambda file: file.name)

    def _read_table(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def _peek(self, name: str) -> bytes:
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(HEAD_BYTES)
        except OSError:  # a file that isn't needed may be unreadable
            return b""


def _first(file: os.DirEntry[str]) -> Iterator[str]:
    """Yield the first names in a subfolder, and its class folders, with its own name before them.

    Raises:
        OSError: it can't be listed.
    """
    if not file.is_dir():
        return
    with os.scandir(file) as inside:
        for inner in itertools.islice(inside, MAX_LISTED):
            yield f"{file.name}/{inner.name}"
    for between in ("", "train/"):
        for label in kaggle_layout.CLASSES:
            if Path(file.path, between, label).is_dir():
                yield f"{file.name}/{between}{label}"


def _described(file: os.DirEntry[str], start: str) -> str:
    """Return the name of a file or folder that isn't read; a folder's with its number of files."""
    if not Path(file.path).is_dir():
        return start + file.name
    try:
        with os.scandir(file.path) as inner:
            names = sorted(item.name for item in inner)
    except OSError as error:
        return f"{start}{file.name}/ ({error.strerror})"
    first = f", such as {names[0]}" if names else ""
    return f"{start}{file.name}/ (a folder of {len(names):,}{first})"


def _entry(
    place: Place, image: tuple[str, Format], name: str, file: os.DirEntry[str], root: Path
) -> Entry:
    id_, form = image
    flaw = None
    is_out = False
    try:
        if not file.is_file():  # a folder, a broken link or a pipe, which would never end
            flaw = Flaw("readable", "not a file")
        elif file.is_symlink():
            is_out = not Path(file.path).resolve().is_relative_to(root)
    except OSError as error:  # a symbolic link to itself
        flaw = Flaw("readable", f"not readable: {error.strerror}")
    return Entry(place.pool, id_, name, flaw, is_out, form, place.label)


def _read(path: str, form: Format) -> bytes | Encoded | Flaw:
    try:
        # Unbuffered and without pathlib, which would cost 30 us per file.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            num_bytes = os.fstat(file.fileno()).st_size
            if num_bytes > MAX_FILE_BYTES:
                return sources.too_large(num_bytes)
            content = file.read()
            return content if form == "TIFF" else Encoded(form, content)
    except OSError as error:  # no permission, a bad disk
        return Flaw("readable", f"not readable: {error.strerror}")
