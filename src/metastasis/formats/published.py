"""Knows what its authors say of a file that they publish, and its MD5, by which it is known.

Which files there are, and how they are downloaded, others know.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RemoteFile:
    """A file as its authors publish it; `num_bytes` is 0 where they don't say."""

    name: str
    url: str
    md5: str
    num_bytes: int


def md5(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
