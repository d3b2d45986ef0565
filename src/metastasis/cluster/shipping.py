"""Packs what another machine needs to run stages of this project, and the outputs it hands back.

`member_runs` unpacks it. What DVC tracks isn't packed: the other machine gets it through DVC.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from metastasis.base import libraries, params, pipeline
from metastasis.base.errors import InputError

PIPELINE, _ = pipeline.FILES
LOCK = Path("dvc.lock")
# What DVC itself reads; not `.dvc/config.local`, which may hold credentials.
DVC_FILES = (
    PIPELINE,
    LOCK,
    params.PARAMS_PATH,
    Path(libraries.PATH.name),
    Path(".dvcignore"),
    Path(".dvc/config"),
)
OWN_STAGES = ("train", "score")  # of a member
BYTECODE = "__pycache__"


def inputs() -> dict[str, str]:
    """Return what the stages of every member read of other stages, each with the stage's name."""
    made = {
        str(path): name
        for name, stage in pipeline.stages([PIPELINE]).items()
        for path in pipeline.outputs(stage)
    }
    return {path: made[path] for path in sorted(set(_declared())) if path in made}


def project(*others: Path) -> bytes:
    """Return an archive of the code and params that a member's stages declare, and of `others`.

    Code is packed as it is in this folder, committed or not: it is what DVC would run and record
    here. The same content gives the same bytes.

    Raises:
        InputError: a file is missing.
    """
    files = {file for path in (*DVC_FILES, *_code(), *_weights(), *others) for file in _files(path)}
    return archive(files, Path())


def archive(files: Iterable[Path], root: Path) -> bytes:
    """Return a tar archive of `files`, by their paths below `root`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for file in sorted(files):
            member = tarfile.TarInfo(file.relative_to(root).as_posix())
            member.size = file.stat().st_size
            member.mode = 0o644
            with file.open("rb") as stream:
                tar.addfile(member, stream)
    return content.getvalue()


def digest(project: bytes) -> str:
    """Return a hash of the code and params in an archive of `project`.

    dvc.lock isn't part of it: each finished member gets an entry there, and the others go on.
    """
    found = hashlib.sha256()
    with tarfile.open(fileobj=io.BytesIO(project)) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None and member.name != str(LOCK):
                found.update(f"{member.name}\0{member.size}\0".encode() + stream.read())
    return found.hexdigest()


def unpack(content: bytes, folder: Path) -> None:
    """Write the files of an archive below `folder`, each completely or not at all.

    A file that is there already stays: it is meant for DVC's cache, where an equal name means equal
    content, and for empty folders.
    """
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            path = folder / tarfile.data_filter(member, str(folder)).name
            stream = tar.extractfile(member)
            if stream is None or path.exists():
                continue
            _make(path.parent, like=folder)
            partial = path.with_name(f"{path.name}.partial")
            partial.write_bytes(stream.read())
            partial.replace(path)


def _make(folder: Path, like: Path) -> None:
    """Make a folder with the permissions of another one: a cache may be shared by a group."""
    if not folder.is_dir():
        _make(folder.parent, like)
        folder.mkdir(exist_ok=True)
        folder.chmod(like.stat().st_mode & 0o7777)


def _declared() -> Iterator[str]:
    stages = pipeline.stages([PIPELINE])
    for name in OWN_STAGES:
        yield from stages[name]["deps"]


def _code() -> Iterator[Path]:
    paths = map(Path, _declared())
    return (path for path in paths if path.parts[0] in pipeline.CODE_FOLDERS)


def _weights() -> Iterator[Path]:
    """Yield the file of weights, which DVC doesn't track, if it lies in the project."""
    path = Path(params.load()["train"]["weights"])
    if not path.is_absolute():
        yield path


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file() and BYTECODE not in file.parts]
    if not path.is_file():
        raise InputError(f"{path} is missing: run `make members` in the project's folder.")
    return [path]
