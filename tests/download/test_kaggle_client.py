"""Tests of `download.kaggle_client`: the script with Kaggle's own client and a loopback server.

The client knows one address that isn't Kaggle's, http://localhost, without a port; so the server is
named to it as a proxy.
"""

import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers import serving
from helpers.files import ROOT
from metastasis.base.errors import InputError
from metastasis.download import kaggle_client

SCRIPT = ROOT / "scripts" / "fetch_kaggle.py"
NAME = "histopathologic-cancer-detection.zip"
SERVICE = "http://localhost/api/v1/competitions.CompetitionApiService/DownloadDataFiles"
MEMBERS = ("sample_submission.csv", "test/b.tif", "train/a.tif", "train_labels.csv")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, np.random.default_rng(0).bytes(1_000_000))
    return buffer.getvalue()


BODY = zipped(*MEMBERS)


def hand_out(handler: serving.Handler) -> None:
    """Answer as Kaggle does: the zip lies elsewhere, under another name."""
    assert handler.path == SERVICE
    assert handler.headers["Authorization"] == "Basic bWU6c2VjcmV0"  # me:secret
    handler.send_head(302, headers={"Location": "http://localhost/storage/archive.zip?signed=1"})


@pytest.fixture
def server() -> Iterator[serving.Server]:
    with serving.serving({"archive.zip": BODY}) as server:
        server.post = hand_out
        yield server


def environment(server: serving.Server, home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "HTTP_PROXY": server.url,
    }


def sign_in(home: Path) -> None:
    token = home / ".kaggle" / "kaggle.json"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text('{"username": "me", "key": "secret"}')
    token.chmod(0o600)


def run(
    server: serving.Server, folder: Path, *command: str, is_signed_in: bool = True
) -> subprocess.CompletedProcess[str]:
    home = folder.parent / "home"
    if is_signed_in:
        sign_in(home)
    return subprocess.run(
        [sys.executable, *(command or [str(SCRIPT)]), str(folder)],
        env=environment(server, home),
        capture_output=True,
        text=True,
        check=False,
    )


def assert_only_the_zip(folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert (folder / NAME).read_bytes() == BODY


def test_the_zip_is_downloaded_and_the_next_step_named(
    server: serving.Server, tmp_path: Path
) -> None:
    folder = tmp_path / "raw"
    result = run(server, folder)
    assert (result.returncode, server.ranges) == (0, [None]), result.stderr
    assert_only_the_zip(folder)
    assert f"source: {folder / NAME}\n" in result.stdout


@pytest.mark.medium  # the client waits 2 to 3 s
def test_a_download_that_breaks_off_goes_on_with_the_rest(
    server: serving.Server, tmp_path: Path
) -> None:
    server.planned.append(serving.break_off_after(2**20))
    result = run(server, tmp_path / "raw")
    assert result.returncode == 0, result.stderr
    assert_only_the_zip(tmp_path / "raw")
    assert server.ranges == [None, f"bytes={2**20}-"]
    assert server.num_sent == [2**20, len(BODY) - 2**20]


@pytest.mark.medium  # the client waits 2 to 3 s
def test_a_download_that_a_page_got_into_is_thrown_away(
    server: serving.Server, tmp_path: Path
) -> None:
    # What the client meets when the signed address expires before the rest is there.
    page = serving.send(b"<html>expired</html>")
    server.planned.extend([serving.break_off_after(2**20), serving.refuse(403), page])
    result = run(server, tmp_path / "raw")
    assert result.returncode == 1
    assert "size (20) does not match" in result.stderr
    assert "was deleted: run this again" in result.stderr
    assert not (tmp_path / "raw").exists()


def test_a_later_run_goes_on_from_what_an_interrupted_one_left(
    server: serving.Server, tmp_path: Path
) -> None:
    server.planned.append(serving.stall_after(2**20, seconds=2))
    folder = tmp_path / "raw"
    partial = folder / "histopathologic-cancer-detection.partial" / NAME
    sign_in(tmp_path / "home")
    with subprocess.Popen(
        [sys.executable, SCRIPT, folder],
        env=environment(server, tmp_path / "home"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not partial.exists() or partial.stat().st_size < 2**20:
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
    assert not (folder / NAME).exists()
    result = run(server, folder)
    assert result.returncode == 0, result.stderr
    assert_only_the_zip(folder)
    # The client asks for the whole to learn what it is, leaves it unread, and asks for the rest.
    assert server.ranges == [None, None, f"bytes={2**20}-"]


def test_without_a_token_the_steps_to_one_are_told(server: serving.Server, tmp_path: Path) -> None:
    result = run(server, tmp_path / "raw", is_signed_in=False)
    assert result.returncode == 1
    assert result.stdout == ""  # the client's own page of help is held back
    assert result.stderr.startswith("fetch_kaggle.py: You are not signed in to Kaggle.")
    assert "chmod 600" in result.stderr


def test_without_the_client_the_message_says_how_to_get_it(
    server: serving.Server, tmp_path: Path
) -> None:
    hiding = (
        "import runpy, sys; sys.modules['kaggle'] = None; sys.argv[0] = 'fetch_kaggle.py'; "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    result = run(server, tmp_path / "raw", "-c", hiding)
    assert result.returncode == 1
    assert result.stderr.startswith("fetch_kaggle.py: Kaggle's client is not installed. `make kag")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Kaggle doesn't accept the token (401)"),
        (
            403,
            "this account hasn't accepted the competition's rules.\n  1. open https://www.kaggle.com/comp",
        ),
        (404, "Kaggle has no data at this address (404)"),
        (500, "Kaggle can't be reached, or the download broke off: HTTPError: 500"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(
    server: serving.Server, tmp_path: Path, status: int, message: str
) -> None:
    server.post = lambda handler: handler.send_head(status)
    result = run(server, tmp_path / "raw")
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_download_that_is_not_the_zip_is_thrown_away(
    server: serving.Server, tmp_path: Path
) -> None:
    server.files["archive.zip"] = b"<html>Please sign in</html>"
    result = run(server, tmp_path / "raw")
    assert result.returncode == 1
    assert f"{NAME} is not a complete zip (File is not a zip file). It was deleted" in result.stderr
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("top", ["", "histopathologic-cancer-detection/"])
def test_a_whole_zip_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], top: str
) -> None:
    (tmp_path / NAME).write_bytes(zipped(*(f"{top}{name}" for name in MEMBERS)))
    assert kaggle_client.fetch(tmp_path) == tmp_path / NAME
    assert capsys.readouterr().out == f"{NAME}: already there and complete\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (BODY[:1_000_000], "is not a complete zip"),
        (BODY[:-100], "is not a complete zip"),
        (b"x" * 100 + BODY[100:], "is not a complete zip"),
        (BODY[:51] + b"x" * 100 + BODY[151:], "is not a complete zip .*invalid stored block"),
        (zipped(*MEMBERS[1:3]), "zip of 2 files, but lacks train_labels.csv, sample_submission.c"),
        (zipped(*(f"a/b/{name}" for name in MEMBERS)), "but lacks train_labels.csv, sample_"),
        (zipped(*MEMBERS[::3]), "but lacks train/, test/"),
    ],
    ids=[
        "beginning",
        "no end",
        "bad beginning",
        "bad table",
        "no tables",
        "too deep",
        "no patches",
    ],
)
def test_a_zip_of_the_users_that_is_not_whole_is_not_touched(
    tmp_path: Path, body: bytes, message: str
) -> None:
    (tmp_path / NAME).write_bytes(body)
    with pytest.raises(InputError, match=message) as caught:
        kaggle_client.fetch(tmp_path)
    assert "It was not touched: move it away or delete it" in str(caught.value)
    assert (tmp_path / NAME).read_bytes() == body


def test_too_small_a_disk_is_told_before_anything_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GB free, and the download needs"):
        kaggle_client.fetch(tmp_path / "raw", num_bytes=10**18)
    assert not (tmp_path / "raw").exists()
