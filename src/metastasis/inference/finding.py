"""Finds the images that a user's paths name, and gives each a name of its own.

It doesn't open them; `opening` does.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from metastasis.base.errors import InputError
from metastasis.formats import sources

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
# The formats that OpenSlide 4 reads, by the endings of their files; it also reads some TIFFs.
SLIDE_SUFFIXES = (
    ".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms", ".vmu", ".czi", ".dcm",
)  # fmt: skip
OME = ".ome"  # before the ending .tif
SUFFIXES = (*IMAGE_SUFFIXES, *SLIDE_SUFFIXES)
# Of an output's name, before its number and ending: encrypted folders allow 143 bytes in all.
MAX_NAME_BYTES = 110


@dataclass(frozen=True)
class Image:
    """One file that is to be scored."""

    path: Path  # as the user wrote it, with the rest of it below a folder that the user named
    name: str  # the name of its outputs: no two images of a call share it


@dataclass(frozen=True)
class Failure:
    """A path that isn't scored, and the reason for the user."""

    path: Path
    reason: str


def shown(path: Path | str) -> str:
    r"""Return a path as text that every file can hold: other bytes than those of text as \xff."""
    return sources.escaped(os.fsencode(path).decode("utf-8", "backslashreplace"))


def find(paths: Iterable[Path], output: Path) -> tuple[list[Image], list[Failure]]:
    """Return the images in the order of `paths`, a folder's sorted by path, and what isn't there.

    A file is listed once, even if two paths lead to it. A folder is searched to any depth, also
    through links, but for a folder `output` in it, which may hold the results of an earlier run.

    Raises:
        InputError: an image lies in `output`, where a result could overwrite it.
    """
    files: dict[Path, None] = {}
    failures = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises where it may not look
            inside, unlisted = _search(path, output)
            files |= dict.fromkeys(inside)
            failures += unlisted
            if not inside and not unlisted:
                failures.append(Failure(path, f"the folder holds no file named {_endings()}"))
        elif reason := _unreached(path):
            failures.append(Failure(path, reason))
        else:
            files[path] = None
    images = _named(files)
    for image in images:
        # A link's own folder counts, and that of the file that it leads to.
        if output.resolve() in (image.path.parent.resolve(), _real(image.path).parent):
            raise InputError(
                f"{image.path} lies in the output folder, {output}, where a result could overwrite "
                "it; name another folder by --output."
            )
    return images, failures


def _search(top: Path, output: Path) -> tuple[list[Path], list[Failure]]:
    """Return the images in `top` and below, sorted by path, and the folders that can't be listed.

    Each folder is listed once, also if links make a circle.
    """
    found: list[Path] = []
    errors: list[OSError] = []
    # If `top` is the output or in it, the user means the images there.
    seen = set() if _real(top).is_relative_to(_real(output)) else {_real(output)}
    for name, folders, names in os.walk(top, onerror=errors.append, followlinks=True):
        folders.sort()  # of two ways to a folder, the same one each time
        folder = Path(name)
        if _real(folder) in seen:
            folders.clear()
            continue
        seen.add(_real(folder))
        found += [folder / each for each in names if _is_image(each)]
    failures = [
        Failure(Path(os.fsdecode(each.filename)), f"the folder can't be listed: {each.strerror}")
        for each in errors
    ]
    return sorted(found), failures


def _is_image(name: str) -> bool:
    """Return whether a folder's file counts; hidden files are other programs' leavings."""
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def _unreached(path: Path) -> str:
    """Return in words why nothing is at the path; a link to nowhere is something."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file or folder"
    except OSError as error:
        return f"it can't be reached: {error.strerror}"
    return ""


def _endings() -> str:
    return f"*{', *'.join(IMAGE_SUFFIXES)} or like a slide (*{', *'.join(SLIDE_SUFFIXES)})"


def _real(path: Path) -> Path:
    """Return the path without links; unlike Path.resolve, it bears a link that leads to itself."""
    return Path(os.path.realpath(path))


def _stem(path: Path) -> str:
    """Return a file's name without its endings, cut to a length that outputs can have."""
    stem = path.stem
    if stem.lower().endswith(OME):
        stem = stem[: -len(OME)] or stem
    return shown(stem).encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _named(paths: Iterable[Path]) -> list[Image]:
    """Name each image by its file; of equal names (also by case), later ones get a number."""
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    images = []
    unique: dict[Path, Path] = {}
    for path in paths:
        unique.setdefault(_real(path), path)
    for path in unique.values():
        stem = _stem(path)
        name = stem
        while name.lower() in taken:
            counts[stem.lower()] += 1
            name = f"{stem}-{counts[stem.lower()] + 1}"
        taken.add(name.lower())
        images.append(Image(path, name))
    return images
