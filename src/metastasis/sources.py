"""Knows what every data source gives: entries to be read, their content, and tables.

Each format is a module of its own; which one a path holds, `opening` finds out.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from metastasis.shards import Pool, UInt8

LABELS_NAME = "train_labels.csv"
SUBMISSION_NAME = "sample_submission.csv"
SLIDES_NAME = "slides.csv"
PUBLIC_SLIDES_NAME = "patch_id_wsi_full.csv"  # the published slide map of Kaggle's patches
TABLE_NAMES = {  # a table's name in a source in Kaggle's layout: its name in the pipeline
    LABELS_NAME: LABELS_NAME,
    SUBMISSION_NAME: SUBMISSION_NAME,
    PUBLIC_SLIDES_NAME: SLIDES_NAME,
    SLIDES_NAME: SLIDES_NAME,
}
OTHER_SLIDES = "other-"  # begins the name of a slide map that is only held against the one read
STRAYS_NAME = "strays.csv"
IMAGE_SUFFIX = ".tif"
POOL_FOLDERS: dict[Pool, str] = {"labelled": "train", "test": "test"}
MAX_FILE_BYTES = 16 * 2**20  # 600 times a patch: more is no patch, whatever it claims


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why an entry has no pixels, and what was found; `kind` is one of `images.FLAWS`."""

    kind: str
    found: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a source: `name` is what the source itself calls it, `id` what the tables do.

    `flaw` says why it can't be read, where the listing alone shows that. `is_link_out` tells a
    symbolic link that leaves the source: it is read all the same.
    """

    pool: Pool
    id: str
    name: str
    flaw: Flaw | None = None
    is_link_out: bool = False


# An image file's bytes, or pixels that need no decoding, or why there is neither.
Content = bytes | UInt8 | Flaw


class Source(Protocol):
    """What `ingesting` asks of a source; its methods may be called from several threads."""

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


def shadowed(names: Collection[str]) -> list[str]:
    """Return those of the tables there that aren't read, since another stands for the same."""
    is_shadowed = {SLIDES_NAME, PUBLIC_SLIDES_NAME} <= set(names)
    return [PUBLIC_SLIDES_NAME] if is_shadowed else []


def named(tables: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return tables, given by their names in a source, by those the pipeline knows them by."""
    others = shadowed(tables)
    return {
        f"{OTHER_SLIDES}{name}" if name in others else TABLE_NAMES[name]: content
        for name, content in tables.items()
    }


def too_large(num_bytes: int, max_bytes: int = MAX_FILE_BYTES) -> Flaw:
    """Return the flaw of a file that has, or claims to have, more bytes than are read."""
    return Flaw("bytes", f"{num_bytes:,} bytes, expected at most {max_bytes:,}")
