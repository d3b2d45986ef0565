"""The project's folder, a comparison of folders byte by byte, and folders that nobody may list."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def assert_same_bytes(first: Path, second: Path, num_files: int) -> None:
    """Assert that the `num_files` files below `first` equal those below `second`."""
    written = [path for path in first.rglob("*") if path.is_file()]
    assert len(written) == num_files
    for path in written:
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


def lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder that can't be listed; tests may run as root, who may list every real one."""
    folder.mkdir()
    scan = os.scandir

    def scandir(path: "str | os.PathLike[str]") -> Iterator[os.DirEntry[str]]:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
