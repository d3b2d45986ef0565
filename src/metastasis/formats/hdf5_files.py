"""Opens HDF5 files, packed or not; says why one can't be opened, such as truncated or in use.

`pcam_files` reads their content.
"""

import errno
import gzip
import re
import shutil
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import h5py

from metastasis.base import errors
from metastasis.base.errors import InputError
from metastasis.formats.packed_tables import GZIP_MAGIC

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SIGNATURE_PLACES = (0, *(2**power for power in range(9, 14)))  # a user block may come before it
OTHERS = {  # other content found under such names, and what to do about it
    b"version https://git-lfs": ("a pointer of Git LFS", "Get the file itself: `git lfs pull`."),
    b"<": (
        "a web page (an error or a login) that was downloaded instead of the file",
        "Open its address in a browser and fetch it again.",
    ),
    b"PK\3\4": ("a zip", "Unpack it and put the .h5 file in its place."),
    b"BZh": ("packed by bzip2", "Unpack it."),
    b"\xfd7zXZ": ("packed by xz", "Unpack it."),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "Unpack it."),
    b"outs:": ("a pointer of DVC", "Get the file itself: `dvc pull`."),
}
FETCH = "It is incomplete: fetch it again."
_TRUNCATED = re.compile(r"truncated file: eof = (\d+),.*stored_eof = (\d+)")


def open_file(path: Path, resources: ExitStack) -> h5py.File:
    """Return the open file; `resources` closes it. A packed file is unpacked to a temporary file.

    The first bytes decide whether it is packed, not its name.

    Raises:
        InputError: it is in use, not readable for this user, damaged or not HDF5, or disk space
            is missing.
    """
    try:
        with path.open("rb") as file:
            head = file.read(max(SIGNATURE_PLACES) + len(SIGNATURE))
    except OSError as error:  # no permission, a bad disk, a lost network share
        raise InputError(
            f"pcam-readable: {path} can't be read: {error.strerror}. The file's owner or the "
            "administrator can change the permissions; the file itself may be intact."
        ) from None
    is_packed = head.startswith(GZIP_MAGIC)
    is_hdf5 = any(head.startswith(SIGNATURE, place) for place in SIGNATURE_PLACES)
    if is_packed is not path.name.lower().endswith(".gz") and (is_packed or is_hdf5):
        print(f"{path.name} is {'packed' if is_packed else 'not packed'}, in spite of its name")
    if is_packed:
        unpacked = _unpacked(path, resources)
        try:
            return resources.enter_context(h5py.File(unpacked, "r"))
        except OSError as error:
            raise InputError(
                f"pcam-whole: the content of {path} can't be read as HDF5: {error}. {FETCH}"
            ) from None
    if not is_hdf5:
        raise _something_else(path, head)
    try:
        return resources.enter_context(_open_plain(path))
    except BlockingIOError:
        raise InputError(
            f"pcam-in-use: {path} is open for writing in another process, such as a notebook. "
            "Close it there and run the same command again; the file was not touched."
        ) from None
    except OSError as error:
        raise _damaged(path, str(error)) from None


def _open_plain(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r", locking=True)
    except BlockingIOError:
        raise
    except OSError as error:
        if "unable to lock file" not in str(error):
            raise
    return h5py.File(path, "r", locking=False)  # the file system has no locks


def _damaged(path: Path, message: str) -> InputError:
    cut = _TRUNCATED.search(message)
    if cut:
        found, expected = map(int, cut.groups())
        return InputError(
            f"pcam-whole: {path} has {found:,} bytes and should have {expected:,}: it was "
            "truncated by a download that broke off or by a full disk. Fetch it again."
        )
    if "already open for write" in message:
        return InputError(
            f"pcam-in-use: {path} is marked as open for writing. Close it in the program that has "
            "it open, such as a notebook; if there is none, that program was killed, and "
            f"`h5clear -s {path}` removes the mark."
        )
    if re.search(r"\block", message):
        return InputError(
            f"pcam-in-use: {path} can't be locked for reading: {message}. Close it in the program "
            "that has it open, or set HDF5_USE_FILE_LOCKING=FALSE if there is none."
        )
    return InputError(f"pcam-whole: {path} can't be read as HDF5: {message}. {FETCH}")


def _something_else(path: Path, head: bytes) -> InputError:
    num_bytes = path.stat().st_size
    if not head:
        return InputError(f"pcam-whole: {path} is empty: the download has not begun. {FETCH}")
    for magic, (what, advice) in OTHERS.items():
        if head.lstrip().lower().startswith(magic.lower()):
            return InputError(
                f"pcam-format: {path} ({num_bytes:,} bytes) is not an HDF5 file but {what}. "
                f"{advice}"
            )
    return InputError(
        f"pcam-format: {path} ({num_bytes:,} bytes) is not an HDF5 file: it begins with "
        f"{head[:8]!r}. Fetch it again, or move it away if it isn't PatchCamelyon's."
    )


def _unpacked(path: Path, resources: ExitStack) -> IO[bytes]:
    """Unpack into a file without a name, which vanishes with the process, however it ends."""
    print(f"unpacking {path.name}")
    try:
        unpacked = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        with gzip.open(path) as packed:
            shutil.copyfileobj(packed, unpacked, 2**20)
        unpacked.flush()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"pcam-whole: {path} can't be unpacked: {error}. {FETCH}") from None
    except OSError as error:
        if error.errno not in (*errors.FULL, errno.EFBIG):
            raise InputError(f"pcam-readable: {path} can't be read: {error}.") from None
        raise InputError(
            f"pcam-room: {path} is intact as far as it was read, but there is no space to unpack "
            f"it in {tempfile.gettempdir()}: {error.strerror}. Unpack it yourself on a larger disk "
            "(`gunzip --keep`), or use a temporary folder there: "
            "`TMPDIR=/a/larger/disk dvc repro`."
        ) from None
    return unpacked
