"""Downloads the competition's zip by Kaggle's own client; checks it before it gets its name.

`formats` reads the patches in it.
"""

import contextlib
import io
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import requests
import urllib3

from metastasis.base.errors import InputError
from metastasis.download import downloading

COMPETITION = "histopathologic-cancer-detection"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
NUM_BYTES = 7 * 10**9  # space for the zip, which is somewhat smaller

HOW_TO_INSTALL = (
    "Kaggle's client is not installed. `make kaggle` installs it and downloads the data; with pip, "
    "run `pip install kaggle`"
)
HOW_TO_SIGN_IN = """You are not signed in to Kaggle. You need an account and its API token:
  1. create a token at https://www.kaggle.com/settings/api
  2. save it as ~/.kaggle/access_token (a legacy key, kaggle.json, as ~/.kaggle/kaggle.json)
  3. chmod 600 that file
  4. run this again
Or set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, in the environment."""
REFUSALS = {
    401: f"Kaggle doesn't accept the token (401): it may have expired.\n{HOW_TO_SIGN_IN}",
    403: f"""Kaggle refuses the data (403): this account hasn't accepted the competition's rules.
  1. open {PAGE}/rules
  2. sign in, and press "Join the competition" or "I understand and accept"
     (Kaggle may ask to verify the account by phone first)
  3. run this again""",
    404: f"""Kaggle has no data at this address (404). Open {PAGE}/data; if the
    download works there, put the zip into the folder that this command was given, and run this
    again.""",
}


def fetch(folder: Path, num_bytes: int = NUM_BYTES) -> Path:
    """Download the competition's zip into `folder`, unless it is there already and complete.

    During the download it is in a folder of its own, COMPETITION.partial, which stays if the
    download breaks off: the client resumes from it if Kaggle still has the same file.

    Raises:
        InputError: the client, the token or disk space is missing, Kaggle refuses or can't be
            reached, the zip isn't complete, or another download is running. A zip that was there
            before is not touched.
    """
    path = folder / f"{COMPETITION}.zip"
    if path.exists():
        _require_whole(path, "It was not touched: move it away or delete it, and run this again")
        print(f"{path.name}: already there and complete")
        return path
    with downloading.only_one(folder):
        _fetch(path, num_bytes)
    print(f"{path.name}: downloaded and complete")
    return path


def _fetch(path: Path, num_bytes: int) -> None:
    partial = path.with_suffix(".partial")
    downloaded = partial / path.name
    num_present = downloaded.stat().st_size if downloaded.exists() else 0
    downloading.require_space(path.parent, max(0, num_bytes - num_present))
    _download(_client(), partial)
    try:
        _require_whole(downloaded, "It was deleted: run this again")
    except InputError:
        shutil.rmtree(partial)
        raise
    downloaded.rename(path)
    shutil.rmtree(partial)


def _client() -> Any:  # noqa: ANN401  # the client is untyped
    """Return Kaggle's client, signed in."""
    said = io.StringIO()
    try:
        # Without a token the client prints a page of help, twice, and ends the process.
        with contextlib.redirect_stdout(said):
            from kaggle.api.kaggle_api_extended import KaggleApi  # noqa: PLC0415  # optional

            client = KaggleApi()
            client.authenticate()
    except ImportError as error:
        raise InputError(HOW_TO_INSTALL) from error
    except SystemExit as error:
        raise InputError(HOW_TO_SIGN_IN) from error
    except requests.RequestException as error:
        raise _refusal(error) from error
    for line in dict.fromkeys(said.getvalue().splitlines()):
        print(line)  # such as a warning that others can read the token
    return client


def _download(client: Any, folder: Path) -> None:  # noqa: ANN401  # the client is untyped
    try:
        client.competition_download_files(COMPETITION, path=str(folder), quiet=False)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _refusal(error) from error
    except ValueError as error:
        # The client has mixed an answer into the zip that doesn't belong to it.
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"the download is damaged ({error}) and was deleted: run this again"
        ) from error


def _refusal(error: Exception) -> InputError:
    response = getattr(error, "response", None)
    if response is not None and response.status_code in REFUSALS:
        return InputError(REFUSALS[response.status_code])
    return InputError(
        f"Kaggle can't be reached, or the download broke off: {type(error).__name__}: {error}. "
        "Check the connection and run this again: it resumes the download"
    )


def _require_whole(path: Path, advice: str) -> None:
    """Raise an InputError unless the zip has its directory and the competition's files.

    Only the CSVs are read, which are at its beginning and its end; damaged patches are found when
    the patches are read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            lacking = _lacking(names)
            if not lacking:
                for name in names:
                    if name.endswith(".csv"):
                        archive.read(name)
    except (zipfile.BadZipFile, zlib.error, FileNotFoundError) as error:
        raise InputError(f"{path} is not a complete zip ({error}). {advice}") from error
    if lacking:
        raise InputError(
            f"{path} is a zip of {len(names):,} files, but lacks {', '.join(lacking)}, which the "
            f"competition's zip has. {advice}"
        )


def _lacking(names: list[str]) -> list[str]:
    """Return which of the competition's files are missing, at the zip's top or in one folder."""
    top = next((name for name in names if name.endswith("train_labels.csv")), "")
    folder = top.removesuffix("train_labels.csv")
    if folder.count("/") > 1:
        folder = ""
    wanted = ("train_labels.csv", "sample_submission.csv", "train/", "test/")
    return [
        entry for entry in wanted if not any(name.startswith(f"{folder}{entry}") for name in names)
    ]
