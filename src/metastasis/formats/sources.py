"""Defines the interface of all data sources: entries to read, their content, and tables.

Each format has its own module; `opening` finds out which format a path holds.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from metastasis.patches.shards import Pool, UInt8

LABELS_NAME = "train_labels.csv"
SUBMISSION_NAME = "sample_submission.csv"
SLIDES_NAME = "slides.csv"
OTHER_SLIDES = "other-"  # prefix of a slide map that is only compared with the first
STRAYS_NAME = "strays.csv"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MAX_FILE_BYTES = 16 * 2**20  # 600 times a patch: a larger file can't be a patch

Format = Literal["TIFF", "PNG", "JPEG"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """The reason why an entry has no pixels, as found; `kind` is one of `images.FLAWS`."""

    kind: str
    found: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of an image file that has another format than TIFF by its name."""

    format: Format
    content: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a source: `name` is its name in the source, `id` its id in the tables.

    `flaw` says why it can't be read, if the listing already shows that. `is_link_out` marks a
    symbolic link out of the source, which is read all the same. `format` is the format in the name.
    `label` is that of its class folder, or empty if there are no class folders.
    """

    pool: Pool
    id: str
    name: str
    flaw: Flaw | None = None
    is_link_out: bool = False
    format: Format = "TIFF"
    label: str = ""


# A TIFF's bytes, those of another image file, pixels that need no decoding, or why there are none.
Content = bytes | Encoded | UInt8 | Flaw


class Source(Protocol):
    """The interface that `ingesting` reads; its methods may be called from several threads."""

    title: ClassVar[str]  # the format's name, for readers

    def entries(self) -> list[Entry]:
        """Return every image, in an order that depends only on the source's content."""

    def read(self, entries: Sequence[Entry]) -> Iterator[Content]:
        """Yield the content of each of these entries, all without a flaw."""

    def tables(self) -> dict[str, bytes]:
        """Return the bytes of each available table, by its name in the pipeline."""

    def strays(self) -> list[str]:
        """Return the names of all files that are neither images nor tables, in order."""

    def close(self) -> None:
        """Close the source's open files."""


def readable(name: str) -> str:
    """Return a name with marks in place of invalid Unicode, and with control characters escaped."""
    return escaped(os.fsencode(name).decode("utf-8", "replace"))


def escaped(text: str) -> str:
    r"""Return a text with control characters as \x0d: a CSV with a bare one can't be read back."""
    return CONTROL.sub(lambda found: rf"\x{ord(found[0]):02x}", text)


def too_large(num_bytes: int, max_bytes: int = MAX_FILE_BYTES) -> Flaw:
    """Return the flaw of a file that has, or claims to have, too many bytes."""
    return Flaw("bytes", f"{num_bytes:,} bytes, expected at most {max_bytes:,}")
