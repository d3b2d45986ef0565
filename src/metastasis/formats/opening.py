"""Finds out which kind of source a path holds, by its content."""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from metastasis.base.errors import InputError
from metastasis.formats import kaggle_folder, kaggle_layout, listings, pcam_layout
from metastasis.formats.kaggle_folder import KaggleFolder
from metastasis.formats.kaggle_zip import KaggleZip
from metastasis.formats.pcam_files import PcamFiles
from metastasis.formats.sources import LABELS_NAME, Source

EXPECTED = (
    f"Kaggle's zip, the folder it unpacks to (with train/ and {LABELS_NAME}), or a folder with "
    "PatchCamelyon's HDF5 files (camelyonpatch_level_2_split_train_x.h5 or .h5.gz, and so on)"
)
EXPERIMENTS = (".dvc", "tmp")  # DVC puts the copies that experiments run in below it


def open_source(path: Path) -> Source:
    """Return the source at `path`, or the one that the folder `path` holds, or lists.

    Raises:
        InputError: the path doesn't exist, its layout is unknown, or it is damaged.
    """
    path = listings.folder_of(path)
    if not path.exists():
        raise InputError(
            f"data.source: {path} does not exist; expected {EXPECTED}. "
            "A relative path is taken from the folder of dvc.yaml." + of_a_copy(path)
        )
    if path.is_file():
        if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
            return KaggleZip.open(path)
        raise InputError(f"data.source: {path} is a file but not a zip; expected {EXPECTED}.")
    if not path.is_dir():
        raise InputError(
            f"data.source: {path} is neither a file nor a folder; expected {EXPECTED}."
        )
    return _in_folder(path)


def check_apart(source: Path, outputs: Iterable[Path]) -> None:
    """Raise InputError if an output is the source, is inside it, or contains it."""
    resolved = source.resolve()
    for output in (path.resolve() for path in outputs):
        if resolved.is_relative_to(output) or output.is_relative_to(resolved):
            raise InputError(
                f"data.source: {source} is, contains or is in {output}, an output of the pipeline, "
                "which DVC deletes before it runs a stage; put the source into its own folder."
            )


def check_slides(path: Path) -> None:
    """Raise InputError if there is no slide map at `path`."""
    if not path.is_file():
        raise InputError(
            f"data.slides: {path} is not a file; expected a CSV with the columns id and slide (or "
            "wsi). For unknown slides use the project's data/slides.csv, which has only a header."
            + of_a_copy(path)
        )


def _in_folder(path: Path) -> Source:
    """Return the one source in a folder; files in the folder itself come before deeper ones.

    Downloads leave a folder with only the zip, or with the data one folder deeper.
    """
    tops = kaggle_folder.tops(path)
    names = {item.name for item in path.iterdir()}
    has_train = any(name.lower() == "train" for name in names)
    if pcam_layout.is_there(path):
        return PcamFiles.open(path)
    if has_train and "" in tops:
        return KaggleFolder(path)
    if has_train or "" in tops:
        raise _incomplete(path, tops, "" if has_train else "train", LABELS_NAME)
    found = {top.rstrip("/"): partial(KaggleFolder, path, top) for top in tops}
    zips = sorted(name for name in names if kaggle_layout.may_be_whole_zip(name))
    opened: dict[str, Callable[[], Source]] = {
        **found,
        **{name: partial(KaggleZip.open, path / name) for name in zips},
    }
    if pcam_layout.is_below(path):
        opened["PatchCamelyon's HDF5 files"] = partial(PcamFiles.open, path)
    if len(opened) > 1:
        raise InputError(
            f"data.source: {path} holds several data sets ({', '.join(opened)}); it is unclear "
            "which one is meant. Name one of them."
        )
    for name, read in opened.items():
        print(f"data.source: reading {name} in {path}")
        return read()
    raise _incomplete(path, tops, "train", LABELS_NAME)


def _incomplete(path: Path, tops: Sequence[str], *missing: str) -> InputError:
    lacking = [name for name in missing if name and not (name == LABELS_NAME and "" in tops)]
    elsewhere = "".join(
        f" {LABELS_NAME} is in {top}, but belongs beside train/." for top in tops if top
    )
    packed = sorted(item.name for item in path.glob("[tT]rain.*") if item.is_file())
    elsewhere += f" Unpack {packed[0]} into train/." if packed else ""
    return InputError(
        f"data.source: {path} holds no {' and no '.join(lacking)}; expected {EXPECTED}. "
        f"{kaggle_layout.survey(kaggle_folder.near(path))}{elsewhere}"
    )


def of_a_copy(path: Path) -> str:
    """Return why an experiment's copy lacks a path: it holds only files that git or DVC tracks."""
    parts = Path.cwd().resolve().parts
    starts = [i for i in range(len(parts)) if parts[i : i + len(EXPERIMENTS)] == EXPERIMENTS]
    if not starts or path.is_absolute():
        return ""
    original = Path(*parts[: starts[0]]) / path
    return (
        f" This experiment runs in a copy of the project ({Path.cwd()}), which holds only what git "
        "or DVC tracks: give the absolute path"
        + (f" ({original})" if original.exists() else "")
        + f", or track it first with `git add {path}` or `dvc add {path}`."
    )
