"""Knows what its authors say of a file that they publish.

Which files there are, and how they are downloaded, others know.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file as its authors publish it; `num_bytes` is 0 where they don't say."""

    name: str
    url: str
    md5: str
    num_bytes: int
