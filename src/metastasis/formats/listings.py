"""Lists a folder of very many files in one small file, which stands for the folder in DVC.

DVC looks up each file of a folder on every call, which takes a quarter of a minute for Kaggle's.
"""

# Every run lists anew, so that this imports neither pandas nor pydantic, which takes half a second.
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from metastasis.base.errors import InputError

ENDING = ".json"
FIELDS = {"folder", "num_files", "digest"}  # SHA-256 of the name, size and time of each file


def write(folder: Path, path: Path) -> None:
    """List `folder` in the file at `path`.

    The time is that of the last change of a file's content, name, permissions or links (ctime): no
    program can set it, so that unpacking a file again is noticed too. If there is no such folder
    but a listing of it, as in a clone whose outputs were pulled, the listing is kept.

    Raises:
        InputError: there is neither the folder nor a listing of it.
    """
    if folder.is_dir():
        files = sorted(_files(folder))
        digest = hashlib.sha256(b"".join(files)).hexdigest()
        found = {"folder": str(folder), "num_files": len(files), "digest": digest}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a link into DVC's cache
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print(f"list: {len(files):,} files in {folder}")
    elif path.is_file() and folder_of(path) == folder:
        print(f"warning: list: {folder} is not here; its last listing stays valid.")
    else:
        raise InputError(
            f"data.listed: {folder} is not a folder; expected one in Kaggle's layout, best as an "
            "absolute path."
        )


def folder_of(path: Path) -> Path:
    """Return the folder that a listing at `path` is of; any other path stands for itself."""
    if path.suffix != ENDING or not path.is_file():
        return path
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict) or set(found) != FIELDS:
        raise InputError(f"data.source: {path} is not a listing that the stage `list` wrote.")
    return Path(found["folder"])


def _files(top: Path) -> Iterator[bytes]:
    """Yield a line for each file in `top` and below, also through links, each folder once.

    A folder that can't be listed, such as lost+found, has a line of its own and a warning: whether
    data is missing, `ingest` finds out.
    """
    seen = set()
    waiting = [(str(top), "")]
    while waiting:
        folder, start = waiting.pop()
        try:
            state = os.stat(folder)  # noqa: PTH116  # as below: pathlib would take thrice as long
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError as error:
            if not start:
                raise
            print(f"warning: list: {folder} can't be listed ({error.strerror}).")
            yield os.fsencode(f"{start}\0{error.strerror}\n")
            continue
        for entry in entries:
            if _is_folder(entry):
                waiting.append((entry.path, f"{start}{entry.name}/"))
            else:
                yield _line(entry, start + entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _line(entry: os.DirEntry[str], name: str) -> bytes:
    try:
        state = entry.stat()
    except OSError:  # a broken link, or one to itself
        state = entry.stat(follow_symlinks=False)
    return os.fsencode(f"{name}\0{state.st_size}\0{state.st_ctime_ns}\n")
