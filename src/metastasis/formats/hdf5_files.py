"""Opens HDF5 files, packed or not, and says why one can't be opened: in use, cut, something else.

What is in them, others know.
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

from metastasis.base.errors import InputError
from metastasis.formats.packed_tables import GZIP_MAGIC

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SIGNATURE_PLACES = (0, *(2**power for power in range(9, 14)))  # a user's block may come before it
OTHERS = {  # what else is found under such names: what it is, and what to do
    b"version https://git-lfs": ("a pointer of Git LFS", "Get the file itself: `git lfs pull`."),
    b"<": (
        "a web page (an error's or a login's), which a download got in the file's place",
        "Open its address in a browser, and fetch it again.",
    ),
    b"PK\3\4": ("a zip", "Unpack it, and leave the .h5 file in its place."),
    b"BZh": ("packed by bzip2", "Unpack it."),
    b"\xfd7zXZ": ("packed by xz", "Unpack it."),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "Unpack it."),
    b"outs:": ("a pointer of DVC", "Get the file itself: `dvc pull`."),
}
FETCH = "It is not whole: fetch it again."
_TRUNCATED = re.compile(r"truncated file: eof = (\d+),.*stored_eof = (\d+)")


def open_file(path: Path, resources: ExitStack) -> h5py.File:
    """Return the file, to be closed with `resources`; a packed one is unpacked, into no named file.

    What it is, its first bytes say, and not its name.

    Raises:
        InputError: it is in use, closed to this user, damaged or no HDF5, or there is no room.
    """
    try:
        with path.open("rb") as file:
            head = file.read(max(SIGNATURE_PLACES) + len(SIGNATURE))
    except OSError as error:  # no permission, a bad disk, a share that is gone
        raise InputError(
            f"pcam-readable: {path} can't be read: {error.strerror}. Its owner or the system's "
            "keeper can change that; the file itself may well be whole."
        ) from None
    is_packed = head.startswith(GZIP_MAGIC)
    is_hdf5 = any(head.startswith(SIGNATURE, place) for place in SIGNATURE_PLACES)
    if is_packed is not path.name.lower().endswith(".gz") and (is_packed or is_hdf5):
        print(f"{path.name} is {'packed' if is_packed else 'not packed'}, whatever its name says")
    if is_packed:
        unpacked = _unpacked(path, resources)
        try:
            return resources.enter_context(h5py.File(unpacked, "r"))
        except OSError as error:
            raise InputError(
                f"pcam-whole: what {path} holds can't be read as HDF5: {error}. {FETCH}"
            ) from None
    if not is_hdf5:
        raise _something_else(path, head)
    try:
        return resources.enter_context(_open_plain(path))
    except BlockingIOError:
        raise InputError(
            f"pcam-in-use: {path} is open for writing in another process, such as a notebook. "
            "Close it there and run the same again; the file isn't touched meanwhile."
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
    return h5py.File(path, "r", locking=False)  # the file system knows no locks


def _damaged(path: Path, message: str) -> InputError:
    cut = _TRUNCATED.search(message)
    if cut:
        found, expected = map(int, cut.groups())
        return InputError(
            f"pcam-whole: {path} has {found:,} bytes and says that it had {expected:,}: it was cut "
            "short, by a download that broke off or a full disk. Fetch it again."
        )
    if "already open for write" in message:
        return InputError(
            f"pcam-in-use: {path} is marked as open for writing. Close it in the program that has "
            "it open, such as a notebook; if there is none, that program was killed, and "
            f"`h5clear -s {path}` takes the mark away."
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
        return InputError(
            f"pcam-whole: {path} is empty: a download that never began, or is about to. {FETCH}"
        )
    for magic, (what, advice) in OTHERS.items():
        if head.lstrip().lower().startswith(magic.lower()):
            return InputError(
                f"pcam-format: {path} ({num_bytes:,} bytes) is no HDF5 file but {what}. {advice}"
            )
    return InputError(
        f"pcam-format: {path} ({num_bytes:,} bytes) is no HDF5 file: it begins with {head[:8]!r}. "
        "Fetch it again, or move away what isn't PatchCamelyon's."
    )


def _unpacked(path: Path, resources: ExitStack) -> IO[bytes]:
    """Return the content as a file without a name: gone with the process, however that ends."""
    print(f"unpacking {path.name}")
    try:
        unpacked = resources.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        with gzip.open(path) as packed:
            shutil.copyfileobj(packed, unpacked, 2**20)
        unpacked.flush()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"pcam-whole: {path} can't be unpacked: {error}. {FETCH}") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(f"pcam-readable: {path} can't be read: {error}.") from None
        raise InputError(
            f"pcam-room: {path} is whole as far as it was read, but there is no room to unpack it "
            f"in {tempfile.gettempdir()}: {error.strerror}. Unpack it yourself on a larger disk "
            "(`gunzip --keep`), or name a folder there, and run the same again: "
            "`TMPDIR=/a/larger/disk dvc repro`."
        ) from None
    return unpacked
