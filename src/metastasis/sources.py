"""Finds out what a data source is and reads its files.

What its images hold, `ingesting` looks at.
"""

from dataclasses import dataclass
from pathlib import Path

from metastasis.errors import InputError
from metastasis.shards import Pool

LABELS_NAME = "train_labels.csv"
SUBMISSION_NAME = "sample_submission.csv"
SLIDES_NAME = "slides.csv"
POOL_FOLDERS: dict[Pool, str] = {"labelled": "train", "test": "test"}


@dataclass(frozen=True)
class Entry:
    """One file of a source's image folders; `id` is its name without .tif, if that is its end."""

    pool: Pool
    id: str
    path: Path

    @property
    def is_named_as_image(self) -> bool:
        """Whether the file's name is ID.tif."""
        return self.path.name == f"{self.id}.tif"


@dataclass(frozen=True)
class KaggleFolder:
    """Kaggle's layout: train/ID.tif, test/ID.tif, train_labels.csv, sample_submission.csv."""

    folder: Path

    def entries(self) -> list[Entry]:
        """Return every file of train/ and test/ by pool and name; hidden files don't count."""
        return [
            Entry(pool, path.name.removesuffix(".tif"), path)
            for pool, name in POOL_FOLDERS.items()
            if (self.folder / name).is_dir()
            for path in sorted((self.folder / name).iterdir())
            if not path.name.startswith(".")
        ]

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of one image file."""
        return entry.path.read_bytes()

    def tables(self) -> dict[str, bytes]:
        """Return the bytes of each table that is there, by its name."""
        names = (LABELS_NAME, SUBMISSION_NAME, SLIDES_NAME)
        return {name: (self.folder / name).read_bytes() for name in names if self._has(name)}

    def _has(self, name: str) -> bool:
        return (self.folder / name).is_file()


def open_source(path: Path) -> KaggleFolder:
    """Return the source at `path`, found out by looking.

    Raises:
        InputError: nothing is there, or it is no layout that is known.
    """
    expected = f"a folder with train/ and {LABELS_NAME}, as Kaggle's zip unpacks to"
    if not path.exists():
        raise InputError(
            f"data.source: {path} does not exist; expected {expected}. "
            "A relative path is taken from the folder of dvc.yaml."
        )
    if not path.is_dir():
        raise InputError(f"data.source: {path} is a file; expected {expected}.")
    missing = [name for name in ("train", LABELS_NAME) if not (path / name).exists()]
    if missing:
        found = ", ".join(sorted(item.name for item in path.iterdir())[:10]) or "nothing"
        raise InputError(
            f"data.source: {path} holds no {' and no '.join(missing)}; "
            f"expected {expected}. Found: {found}."
        )
    return KaggleFolder(path)
