"""Reads a folder in Kaggle's layout: train/ID.tif, test/ID.tif and tables."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metastasis import sources
from metastasis.shards import Pool
from metastasis.sources import IMAGE_SUFFIX, MAX_FILE_BYTES, POOL_FOLDERS, Content, Entry, Flaw


@dataclass(frozen=True)
class KaggleFolder:
    """What the competition's zip unpacks to."""

    folder: Path

    def entries(self) -> list[Entry]:
        """Return every ID.tif of train/ and test/ by pool and name."""
        root = self.folder.resolve()
        return [
            _entry(pool, f"{name}/{file.name}", file, root)
            for pool, name in POOL_FOLDERS.items()
            for file in self._files(name)
            if _is_image(file.name)
        ]

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the bytes of each image file."""
        return (_read(f"{self.folder}/{entry.name}") for entry in entries)

    def tables(self) -> dict[str, bytes]:
        """Return the tables of the top folder."""
        paths = {name: self.folder / name for name in sources.TABLE_NAMES}
        return sources.named({n: path.read_bytes() for n, path in paths.items() if path.is_file()})

    def strays(self) -> list[str]:
        """Return what else lies in the top folder, in train/ and in test/."""
        known = {*sources.TABLE_NAMES, *POOL_FOLDERS.values()}
        strays = [file.name for file in self._files(".") if file.name not in known]
        for name in POOL_FOLDERS.values():
            files = (file.name for file in self._files(name))
            strays += [f"{name}/{file}" for file in files if not _is_image(file)]
        names = {name for name in sources.TABLE_NAMES if (self.folder / name).is_file()}
        strays += sources.shadowed(names)
        return [_readable(stray) for stray in strays]

    def close(self) -> None:
        """Do nothing: a folder keeps no file open."""

    def _files(self, name: str) -> list[os.DirEntry[str]]:
        if not (self.folder / name).is_dir():
            return []
        with os.scandir(self.folder / name) as files:
            return sorted(files, key=lambda file: file.name)


def _is_image(file_name: str) -> bool:
    return file_name.endswith(IMAGE_SUFFIX) and file_name == _readable(file_name)


def _readable(file_name: str) -> str:
    """Return a name that is no valid Unicode, as some systems allow, with marks in those places."""
    return os.fsencode(file_name).decode("utf-8", "replace")


def _entry(pool: Pool, name: str, file: os.DirEntry[str], root: Path) -> Entry:
    entry = Entry(pool, file.name.removesuffix(IMAGE_SUFFIX), name)
    try:
        is_file = file.is_file()
    except OSError as error:  # a link to itself
        return replace(entry, flaw=Flaw("readable", f"not readable: {error.strerror}"))
    if not is_file:  # a folder, a broken link, a pipe that would never end
        return replace(entry, flaw=Flaw("readable", "not a file"))
    is_out = file.is_symlink() and not Path(file.path).resolve().is_relative_to(root)
    return replace(entry, is_link_out=is_out)


def _read(path: str) -> bytes | Flaw:
    try:
        # Unbuffered and without pathlib, which at 30 us a file would show.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            num_bytes = os.fstat(file.fileno()).st_size
            if num_bytes > MAX_FILE_BYTES:
                return sources.too_large(num_bytes)
            return file.read()
    except OSError as error:  # no permission, a bad disk
        return Flaw("readable", f"not readable: {error.strerror}")
