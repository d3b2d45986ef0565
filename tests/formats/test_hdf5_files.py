"""Tests of `formats.hdf5_files`: each reason why a file can't be opened has its own message."""

import errno
import fcntl
import gzip
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import h5py
import numpy as np
import pytest

from metastasis.base.errors import InputError
from metastasis.formats import hdf5_files

VALUES = np.arange(40_000, dtype=np.uint32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = VALUES
    return tmp_path / "x.h5"


def read(path: Path) -> list[int]:
    with ExitStack() as resources:
        found: list[int] = hdf5_files.open_file(path, resources)["x"][...].tolist()
        return found


@pytest.mark.parametrize("name", ["x.h5", "x.h5.gz"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_file_is_read_packed_or_not_whatever_its_name_says(
    path: Path, name: str, *, is_packed: bool
) -> None:
    content = gzip.compress(path.read_bytes()) if is_packed else path.read_bytes()
    path.unlink()
    path.with_name(name).write_bytes(content)
    assert read(path.with_name(name)) == VALUES.tolist()


def test_a_file_with_a_block_of_its_users_before_it_is_read(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["x"] = VALUES
    assert read(path) == VALUES.tolist()


def test_a_file_that_another_process_writes_is_called_in_use(path: Path) -> None:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(
            InputError, match=r"^pcam-in-use: .*x\.h5 is open for writing in another"
        ):
            read(path)
        fcntl.flock(file, fcntl.LOCK_SH)  # as one that reads it
        assert read(path) == VALUES.tolist()


def test_a_file_system_without_locks_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 fails with such a message where flock does, as on some network shares."""

    class File(h5py.File):
        def __init__(self, name: Path, mode: str, *, locking: bool) -> None:
            if locking:
                raise OSError(
                    errno.ENOLCK, "Unable to open file (unable to lock file, errno = 37, ...)"
                )
            super().__init__(name, mode, locking=locking)

    monkeypatch.setattr(h5py, "File", File)
    assert read(path) == VALUES.tolist()


def test_a_file_that_was_cut_short_says_by_how_much(path: Path) -> None:
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:50_000])
    message = rf"^pcam-whole: .* has 50,000 bytes and should have {size:,}: it was truncated"
    with pytest.raises(InputError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("content", "finding", "words"),
    [
        (b"", "pcam-whole", "is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "pcam-format", "a web page"),
        (b"\n <HTML>", "pcam-format", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
            "pcam-format",
            "git lfs pull",
        ),
        (b"outs:\n- md5: 1\n", "pcam-format", "`dvc pull`"),
        (b"PK\3\4\0\0", "pcam-format", "is not an HDF5 file but a zip. Unpack it"),
        (b"BZh91AY", "pcam-format", "bzip2"),
        (b"hello", "pcam-format", "it begins with b'hello'"),
        (b"\x89HDF\r\n\x1a\n and no more", "pcam-whole", "can't be read as HDF5"),
        (b"\x1f\x8b and no more", "pcam-whole", "can't be unpacked"),
        (gzip.compress(b"hello", mtime=0), "pcam-whole", "the content of .* can't be read as HDF5"),
    ],
)
def test_what_is_something_else_is_called_what_it_is(
    path: Path, content: bytes, finding: str, words: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"(?s)^{finding}: .*{words}"):
        read(path)


def test_a_packed_file_that_was_cut_short_is_not_whole(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes())[:-100])
    with pytest.raises(InputError, match=r"^pcam-whole: .* can't be unpacked: .*fetch it again\.$"):
        read(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has this device")
def test_no_room_to_unpack_is_not_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> IO[bytes]:
        return open("/dev/full", "w+b", buffering=0)  # noqa: PTH123  # every write fails: no space

    path.write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(
        InputError, match=r"^pcam-room: .* no space .*No space left .*TMPDIR="
    ) as caught:
        read(path)
    assert "fetch it again" not in str(caught.value)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    """A folder stands for a file without permission, which a test run by root would not see."""
    with pytest.raises(InputError, match=r"^pcam-readable: .* can't be read: Is a directory\."):
        read(tmp_path)


@pytest.mark.parametrize("cut", range(0, 2000, 100))
def test_no_cut_ends_in_anything_but_a_message(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"^pcam-whole: "):
        read(path)
