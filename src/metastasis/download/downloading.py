"""Resumes broken downloads over HTTP; a file gets its name only after its MD5 is verified.

The caller says which files to download, and from where.
"""

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from metastasis.base import files as base_files
from metastasis.base import published
from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile

CHUNK_BYTES = 2**16  # the most that a timeout can lose: the unfinished chunk
SPARE_BYTES = 10**8  # for other data that may be written to the disk meanwhile


@dataclass(frozen=True)
class Patience:
    """How long to wait for a silent server, and how long before each new attempt.

    After an attempt that made progress, the count of attempts starts again.
    """

    timeout_s: float
    waits_s: tuple[float, ...]


PATIENCE = Patience(timeout_s=60, waits_s=(2, 10, 30, 60, 120))


class _BrokenOffError(Exception):
    """The download ended early, for a reason that may be temporary."""

    def __init__(
        self, reason: str, *, retry_after_s: float = 0, is_out_of_reach: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.is_out_of_reach = is_out_of_reach  # there was no connection at all


def fetch(files: Iterable[RemoteFile], folder: Path, patience: Patience = PATIENCE) -> None:
    """Download `files` into `folder` and verify their MD5s; a file that is there already is kept.

    During the download a file is called NAME.partial. It stays there if the download fails, and the
    next call resumes from it.

    Raises:
        InputError: a file of that name with other content exists (it is not touched), the disk is
            too small, another download into the folder is running, the server refuses or can't be
            reached, or it sent other content.
    """
    with only_one(folder):
        missing = [file for file in files if not _is_there(file, folder / file.name)]
        wanted = sum(max(0, file.num_bytes - _size(_partial(file, folder))) for file in missing)
        require_space(folder, wanted)
        with requests.Session() as session:
            for file in missing:
                _fetch(session, file, folder, patience)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep a second download out of the folder: both would write into the same files.

    If nothing was written, folders that are new are gone at the end.

    Raises:
        InputError: another download into the folder is running.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]  # the deepest first
    folder.mkdir(parents=True, exist_ok=True)
    refusal = f"another download into {folder} is running; wait for it, or stop it"
    try:
        with base_files.alone(folder, refusal):
            yield
    finally:
        with suppress(OSError):  # it isn't empty
            for path in new:
                path.rmdir()


def require_space(folder: Path, num_bytes: int) -> None:
    """Raise an InputError unless the disk of `folder`, which may not exist yet, has room."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if num_bytes and free < num_bytes + SPARE_BYTES:
        raise InputError(
            f"{folder}: its disk has {free / 1e9:.1f} GB free, and the download needs "
            f"{num_bytes / 1e9:.1f} GB. Free some space, or replace the folder by a link to a "
            "folder on a larger disk, and run this again"
        )


def _is_there(file: RemoteFile, path: Path) -> bool:
    if not path.exists():
        return False
    found = published.md5(path)
    if found != file.md5:
        raise InputError(
            f"{path} exists already, but its MD5 is {found} instead of {file.md5}. It was not "
            "touched: move it away or delete it, and run this again"
        )
    print(f"{file.name}: already there, MD5 verified")
    return True


def _fetch(session: requests.Session, file: RemoteFile, folder: Path, patience: Patience) -> None:
    partial = _partial(file, folder)
    is_inherited = partial.exists()
    _download(session, file, partial, patience)
    found = published.md5(partial)
    if found != file.md5 and is_inherited:
        print(f"{file.name}: the part left by an earlier run doesn't match; starting over")
        partial.unlink()
        _download(session, file, partial, patience)
        found = published.md5(partial)
    if found != file.md5:
        num_bytes = _size(partial)
        partial.unlink()
        raise InputError(
            f"{file.url} gave {num_bytes:,} bytes with the MD5 {found} instead of {file.md5}; they "
            "were deleted. Run this again. If the MD5 is wrong again, something on the way answers "
            f"instead of the server: get the file in a browser, put it into {folder}, and run this "
            "again"
        )
    partial.rename(folder / file.name)
    print(f"{file.name}: downloaded, MD5 verified")


def _download(
    session: requests.Session, file: RemoteFile, partial: Path, patience: Patience
) -> None:
    """Retry until `partial` is complete, or until the attempts make no more progress.

    If the server can't be reached, retry only if it was reached before.
    """
    waits = iter(patience.waits_s)
    num_first = _size(partial)
    while True:
        num_before = _size(partial)
        try:
            return _receive(session, file, partial, patience.timeout_s)
        except _BrokenOffError as error:
            if _size(partial) > num_before:
                waits = iter(patience.waits_s)
            if error.is_out_of_reach and _size(partial) == num_first:
                raise InputError(f"{file.name}: {error}. {_how_to_go_on(partial)}") from error
            wait_s = next(waits, None)
            if wait_s is None:
                raise InputError(
                    f"{file.url}: gave up after {len(patience.waits_s) + 1} attempts without "
                    f"progress; the last one ended with: {error}. {_how_to_go_on(partial)}"
                ) from error
            wait_s = max(wait_s, min(error.retry_after_s, max(patience.waits_s)))
            print(f"{file.name}: {error}; retrying in {wait_s:g} s")
            time.sleep(wait_s)


def _how_to_go_on(partial: Path) -> str:
    return (
        "Check the connection (the proxy is read from HTTPS_PROXY) and run this again: it resumes "
        f"after {_size(partial):,} bytes"
    )


def _receive(session: requests.Session, file: RemoteFile, partial: Path, timeout_s: float) -> None:
    """Request the missing part of `partial` once and append it."""
    num_present = _size(partial)
    # With a compressed transfer, the byte counts would not be those of the file.
    headers = {"Accept-Encoding": "identity"}
    if num_present:
        headers["Range"] = f"bytes={num_present}-"
    try:
        with session.get(file.url, headers=headers, stream=True, timeout=timeout_s) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # there is nothing more to get: the MD5 shows whether the file is right
            _require_success(response, file, partial.parent)
            _append(response, file, partial)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _explained(error, urlsplit(file.url).netloc) from error


def _explained(error: Exception, host: str) -> _BrokenOffError:
    """Return an error that states the cause behind the libraries' nested exceptions briefly."""
    causes = list(_causes(error))
    system = next((cause.strerror for cause in reversed(causes) if _is_the_systems(cause)), None)
    for cause in causes:
        match cause:
            case requests.exceptions.ProxyError():
                reason = f"the proxy can't be reached ({system or cause})"
            case urllib3.exceptions.NameResolutionError():
                reason = f"there is no connection to {host} ({system or 'its name is unknown'})"
            case urllib3.exceptions.NewConnectionError():
                reason = f"there is no connection to {host} ({system or 'refused'})"
            case urllib3.exceptions.ConnectTimeoutError():
                reason = f"there is no connection to {host} (no answer)"
            case _:
                continue
        return _BrokenOffError(reason, is_out_of_reach=True)
    last = causes[-1]
    return _BrokenOffError(f"the connection broke off ({system or last or type(last).__name__})")


def _causes(error: BaseException | None) -> Iterator[Any]:
    """Yield the exception and its causes, from the outermost to the first."""
    while error is not None:
        yield error
        inner = [part for part in error.args if isinstance(part, BaseException)]
        error = getattr(error, "reason", None) or next(iter(inner), error.__cause__)
        if not isinstance(error, BaseException):
            return


def _is_the_systems(error: Any) -> bool:  # noqa: ANN401  # whatever stands behind another
    return isinstance(error, OSError) and bool(error.strerror)


def _require_success(response: requests.Response, file: RemoteFile, folder: Path) -> None:
    status = f"{response.status_code} {response.reason}"
    if response.status_code in {requests.codes.ok, requests.codes.partial_content}:
        return
    if response.status_code == requests.codes.too_many_requests or response.status_code >= 500:  # noqa: PLR2004  # the server's own failures
        retry_after_s = urllib3.Retry().get_retry_after(response.raw) or 0
        raise _BrokenOffError(f"the server answered {status}", retry_after_s=retry_after_s)
    raise InputError(
        f"{file.url}: the server answered {status}. Open that address in a browser; if it works "
        f"there, put the file into {folder} and run this again: it is verified and kept. If it "
        "doesn't, the file has moved or you have no access: see its record's page"
    )


def _append(response: requests.Response, file: RemoteFile, partial: Path) -> None:
    """Write the body to its position in `partial`; later bytes are cut off."""
    start = _start(response)
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    present = _size(partial)
    if start < present and (total is None or total < present):
        says = "doesn't say how many bytes" if total is None else f"would give {total:,} bytes,"
        raise InputError(
            f"{file.url} {says} instead of the rest after the {present:,} that are there: "
            "something on the way may answer instead of the server, such as a page to sign in. Run "
            f"this again when the way is free, or delete {partial} to start over."
        )
    partial.parent.mkdir(parents=True, exist_ok=True)  # only now, when there is something to keep
    with partial.open("ab") as out, _bar(file.name, start, total) as bar:
        out.truncate(start)
        # Not `iter_content`: it would unpack a .gz that a server declares as gzip-encoded.
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            out.write(chunk)
            bar.update(len(chunk))


def _start(response: requests.Response) -> int:
    """Return where the body begins: a server that ignores the requested range sends all."""
    sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(sent[1]) if sent and response.status_code == requests.codes.partial_content else 0


def _bar(name: str, start: int, total: int | None) -> "tqdm[Any]":
    return tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=None)


def _partial(file: RemoteFile, folder: Path) -> Path:
    return folder / f"{file.name}.partial"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
