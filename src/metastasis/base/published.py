"""Describes a published file, and computes the MD5 that identifies it.

`pcam_record` and `catalogue` list the files, and `downloading` downloads them.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RemoteFile:
    """A file as its authors publish it; `num_bytes` is 0 if they don't publish the size."""

    name: str
    url: str
    md5: str
    num_bytes: int


def md5(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
