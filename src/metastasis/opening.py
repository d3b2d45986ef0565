"""Finds out, by looking, which kind of source a path holds."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from metastasis import pcam_files
from metastasis.errors import InputError
from metastasis.kaggle_folder import KaggleFolder
from metastasis.kaggle_zip import KaggleZip
from metastasis.pcam_files import PcamFiles
from metastasis.sources import LABELS_NAME, Source

EXPECTED = (
    f"Kaggle's zip, the folder it unpacks to (with train/ and {LABELS_NAME}), or a folder with "
    "PatchCamelyon's HDF5 files (camelyonpatch_level_2_split_train_x.h5 or .h5.gz, and so on)"
)


def open_source(path: Path) -> Source:
    """Return the source at `path`.

    Raises:
        InputError: nothing is there, it is no layout that is known, or it is damaged.
    """
    if not path.exists():
        raise InputError(
            f"data.source: {path} does not exist; expected {EXPECTED}. "
            "A relative path is taken from the folder of dvc.yaml."
        )
    if path.is_file():
        if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
            return KaggleZip.open(path)
        raise InputError(f"data.source: {path} is a file and no zip; expected {EXPECTED}.")
    if not path.is_dir():
        raise InputError(
            f"data.source: {path} is neither a file nor a folder; expected {EXPECTED}."
        )
    if pcam_files.is_there(path):
        return PcamFiles.open(path)
    missing = [name for name in ("train", LABELS_NAME) if not (path / name).exists()]
    if missing:
        found = ", ".join(sorted(item.name for item in path.iterdir())[:10]) or "nothing"
        raise InputError(
            f"data.source: {path} holds no {' and no '.join(missing)}; "
            f"expected {EXPECTED}. Found: {found}."
        )
    return KaggleFolder(path)


def check_apart(source: Path, outputs: Iterable[Path]) -> None:
    """Raise InputError if an output is the source, or lies in it or around it."""
    resolved = source.resolve()
    for output in (path.resolve() for path in outputs):
        if resolved.is_relative_to(output) or output.is_relative_to(resolved):
            raise InputError(
                f"data.source: {source} is, holds or lies in {output}, an output of the pipeline, "
                "which DVC removes at will; put the source into a folder of its own."
            )


def check_slides(path: Path) -> None:
    """Raise InputError if there is no slide map at `path`."""
    if not path.is_file():
        raise InputError(
            f"data.slides: {path} is no file; expected a CSV with the columns id and slide (or "
            "wsi). The project's own data/slides.csv, with a header and no row, says: unknown."
        )
