"""Knows what every data source gives: entries to be read, their content, and tables.

Each format is a module of its own; which one a path holds, `opening` finds out.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from metastasis.patches.shards import Pool, UInt8

LABELS_NAME = "train_labels.csv"
SUBMISSION_NAME = "sample_submission.csv"
SLIDES_NAME = "slides.csv"
OTHER_SLIDES = "other-"  # begins the name of a slide map that is only held against the one read
STRAYS_NAME = "strays.csv"
MAX_FILE_BYTES = 16 * 2**20  # 600 times a patch: more is no patch, whatever it claims

Format = Literal["TIFF", "PNG", "JPEG"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why an entry has no pixels, and what was found; `kind` is one of `images.FLAWS`."""

    kind: str
    found: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of an image whose name says that it is no TIFF, but of this format."""

    format: Format
    content: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a source: `name` is what the source itself calls it, `id` what the tables do.

    `flaw` says why it can't be read, where the listing alone shows that. `is_link_out` tells a
    symbolic link that leaves the source: it is read all the same. `format` is what the name says.
    `label` is that of the folder it lies in, and empty where folders say none.
    """

    pool: Pool
    id: str
    name: str
    flaw: Flaw | None = None
    is_link_out: bool = False
    format: Format = "TIFF"
    label: str = ""


# A TIFF's bytes, those of another image file, pixels that need no decoding, or why there is none.
Content = bytes | Encoded | UInt8 | Flaw


class Source(Protocol):
    """What `ingesting` asks of a source; its methods may be called from several threads."""

    title: ClassVar[str]  # of the format, for readers

    def entries(self) -> list[Entry]:
        """Return every image, in an order that depends on the source's content alone."""

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the content of each of these entries, which have no flaw."""

    def tables(self) -> dict[str, bytes]:
        """Return the bytes of each table that is there, by the name the pipeline knows it by."""

    def strays(self) -> list[str]:
        """Return the name of each file that is neither an image nor a table, in order."""

    def close(self) -> None:
        """Close what the source has open."""


def readable(name: str) -> str:
    """Return a name that is no valid Unicode, as some systems allow, with marks in those places."""
    return os.fsencode(name).decode("utf-8", "replace")


def too_large(num_bytes: int, max_bytes: int = MAX_FILE_BYTES) -> Flaw:
    """Return the flaw of a file that has, or claims to have, more bytes than are read."""
    return Flaw("bytes", f"{num_bytes:,} bytes, expected at most {max_bytes:,}")
