"""Tests of `download.downloading`, with a real server on loopback."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers import serving
from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile
from metastasis.download import downloading
from metastasis.download.downloading import Patience

NAME = "camelyonpatch_level_2_split_valid_x.h5.gz"
BODY = np.random.default_rng(0).bytes(3_000_000)
# A second attempt at once, a third after a moment, and no more.
PATIENCE = Patience(timeout_s=0.2, waits_s=(0, 0.01))


@pytest.fixture
def server() -> Iterator[serving.Server]:
    with serving.serving({NAME: BODY}) as server:
        yield server


def published(server: serving.Server, body: bytes = BODY, num_bytes: int = 0) -> RemoteFile:
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return RemoteFile(NAME, f"{server.url}/records/1/files/{NAME}?download=1", md5, num_bytes)


def fetch(server: serving.Server, folder: Path) -> None:
    downloading.fetch([published(server)], folder, PATIENCE)


def assert_only_the_file(folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert (folder / NAME).read_bytes() == BODY


def test_a_file_is_downloaded_into_a_new_folder(server: serving.Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "raw" / "pcam")
    assert_only_the_file(tmp_path / "raw" / "pcam")
    assert server.ranges == [None]


def test_a_second_download_into_the_same_folder_is_refused(
    server: serving.Server, tmp_path: Path
) -> None:
    """Both would write into one .partial, and throw away what they have of it."""
    with downloading.only_one(tmp_path), pytest.raises(InputError, match="another download into"):
        fetch(server, tmp_path)
    assert server.ranges == []
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)


def test_a_file_with_its_md5_is_left_alone(server: serving.Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)
    assert server.ranges == []


def test_a_file_with_another_md5_stops_and_is_not_touched(
    server: serving.Server, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(InputError, match=r"its MD5 is \w+ instead of \w+\. It was not touched"):
        fetch(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"mine"
    assert server.ranges == []


@pytest.mark.parametrize(
    "misbehaving", [serving.break_off_after(2**20), serving.stall_after(2**20, 0.4)]
)
def test_a_download_that_breaks_off_goes_on_with_the_rest(
    server: serving.Server, tmp_path: Path, misbehaving: serving.Answer
) -> None:
    server.planned.append(misbehaving)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)
    assert server.ranges == [None, f"bytes={2**20}-"]
    assert server.num_sent == [2**20, len(BODY) - 2**20]


def test_a_later_run_goes_on_from_what_an_earlier_one_left(
    server: serving.Server, tmp_path: Path
) -> None:
    server.planned.extend([serving.break_off_after(2**20), *[serving.refuse(503)] * 3])
    with pytest.raises(InputError, match=r"503 .* it resumes after 1,048,576 bytes"):
        fetch(server, tmp_path)
    assert not (tmp_path / NAME).exists()
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)
    assert server.ranges[-1] == f"bytes={2**20}-"
    assert server.num_sent[-1] == len(BODY) - 2**20


def test_attempts_are_counted_afresh_after_progress(server: serving.Server, tmp_path: Path) -> None:
    server.planned.extend([serving.break_off_after(500_000)] * 5)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)


def test_a_server_that_ignores_the_range_has_the_file_start_over(
    server: serving.Server, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(BODY[:1_000_000])
    server.planned.append(serving.serve_whole)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)
    assert server.ranges == ["bytes=1000000-"]


def test_an_answer_shorter_than_what_is_there_costs_nothing(
    server: serving.Server, tmp_path: Path
) -> None:
    """As of a page to sign in, where hours of a download are kept."""
    partial = tmp_path / f"{NAME}.partial"
    partial.write_bytes(BODY[:1_000_000])
    server.planned.append(serving.send(b"<html>Please sign in</html>"))
    with pytest.raises(InputError, match="27 bytes, instead of the rest after the 1,000,000"):
        fetch(server, tmp_path)
    assert partial.read_bytes() == BODY[:1_000_000]
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)


def test_a_whole_partial_gets_its_name(server: serving.Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(BODY)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)
    assert server.num_sent == []


@pytest.mark.parametrize("stale", [b"another file's" * 10, BODY + b"and more"])
def test_a_stale_partial_is_thrown_away_once(
    server: serving.Server, tmp_path: Path, stale: bytes
) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(stale)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)
    assert server.ranges == [f"bytes={len(stale)}-", None]


def test_wrong_bytes_are_thrown_away_and_told(server: serving.Server, tmp_path: Path) -> None:
    server.planned.append(serving.send(b"<html>Please sign in</html>"))
    with pytest.raises(InputError, match=r"gave 27 bytes with the MD5 \w+ instead of"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_gz_that_is_sent_as_gzip_encoded_stays_packed(
    server: serving.Server, tmp_path: Path
) -> None:
    packed = gzip.compress(b"labels" * 1000)
    server.planned.append(serving.send(packed, {"Content-Encoding": "gzip"}))
    downloading.fetch([published(server, packed)], tmp_path, PATIENCE)
    assert (tmp_path / NAME).read_bytes() == packed


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_told_at_once_with_what_to_do(
    server: serving.Server, tmp_path: Path, status: int
) -> None:
    server.planned.append(serving.refuse(status))
    with pytest.raises(InputError, match=rf"answered {status} .* Open that address in a browser"):
        fetch(server, tmp_path)
    assert server.ranges == [None]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_servers_failure_that_passes_is_waited_out(
    server: serving.Server, tmp_path: Path, status: int
) -> None:
    server.planned.extend([serving.refuse(status)] * 2)
    fetch(server, tmp_path)
    assert_only_the_file(tmp_path)


def test_a_wait_that_the_server_asks_for_is_kept_within_bounds(
    server: serving.Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.planned.append(serving.refuse(429, {"Retry-After": "3600"}))
    fetch(server, tmp_path)
    assert "429 Too Many Requests; retrying in 0.01 s" in capsys.readouterr().out


def test_a_servers_failure_that_stays_is_told(server: serving.Server, tmp_path: Path) -> None:
    server.planned.extend([serving.refuse(500)] * 3)
    with pytest.raises(InputError, match=r"gave up after 3 attempts .* answered 500 "):
        fetch(server, tmp_path)
    assert len(server.ranges) == 3


@pytest.mark.parametrize(
    ("url", "proxy", "message"),
    [
        (
            "http://127.0.0.1:{port}",
            None,
            r"no connection to 127\.0\.0\.1:\d+ \(Connection refused\)",
        ),
        ("https://127.0.0.1:{port}", None, r"no connection to 127\.0\.0\.1:\d+ \(Connection refus"),
        ("https://zenodo.invalid", None, r"no connection to zenodo\.invalid \(.*[Nn]ame"),
        ("http://zenodo.invalid", "http://127.0.0.1:{port}", r"the proxy can't be reached \(Con"),
    ],
)
def test_a_server_out_of_reach_ends_the_download_at_once_in_a_short_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, message: str
) -> None:
    with serving.serving({}) as server:
        port = server.server_port
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for key in (name, name.upper()):
            monkeypatch.delenv(key, raising=False)
    if proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.format(port=port))
    file = RemoteFile(NAME, url.format(port=port) + f"/{NAME}", "0" * 32, 0)
    patience = Patience(timeout_s=5, waits_s=(60, 60))  # which would be seen
    with pytest.raises(InputError, match=rf"^{NAME}: .*{message}.*Check the conn") as raised:
        downloading.fetch([file], tmp_path / "raw" / "pcam", patience)
    assert len(str(raised.value)) < 250
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_run_left_stays_when_there_is_no_connection(tmp_path: Path) -> None:
    with serving.serving({}) as server:
        file = published(server)
    (tmp_path / f"{NAME}.partial").write_bytes(BODY[:1000])
    with pytest.raises(InputError, match=r"it resumes after 1,000 bytes"):
        downloading.fetch([file], tmp_path, PATIENCE)
    assert (tmp_path / f"{NAME}.partial").read_bytes() == BODY[:1000]


def test_a_connection_that_is_lost_on_the_way_is_waited_for_before_giving_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving.serving({NAME: BODY}) as server:
        file = published(server)

        def break_off_for_good(handler: serving.Handler, body: bytes | None) -> None:
            server.socket.close()
            serving.break_off_after(2**20)(handler, body)

        server.planned.append(break_off_for_good)
        with pytest.raises(InputError, match=r"gave up after 3 attempts .* no connection to"):
            downloading.fetch([file], tmp_path, PATIENCE)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2
    assert max(map(len, printed)) < 200
    assert (tmp_path / f"{NAME}.partial").stat().st_size == 2**20


def test_too_small_a_disk_is_told_before_anything_is_asked_for(
    server: serving.Server, tmp_path: Path
) -> None:
    file = published(server, num_bytes=10**18)
    with pytest.raises(InputError, match=r"GB free, and the download needs 1000000000\.0 GB"):
        downloading.fetch([file], tmp_path / "new", PATIENCE)
    assert server.ranges == []


def test_no_space_is_needed_for_what_is_there(server: serving.Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    downloading.fetch([published(server, num_bytes=10**18)], tmp_path, PATIENCE)
