"""Tests of `pretrained.catalogue`: its files are those that the installed Keras would download."""

import hashlib
from pathlib import Path
from typing import NoReturn

import keras
import pytest

from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile
from metastasis.pretrained import catalogue

BODY = b"weights"
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
BUILDERS = {"densenet121": "DenseNet121", "efficientnetv2b0": "EfficientNetV2B0"}
FILES = {"tiny": RemoteFile("tiny_notop.h5", "https://example.org/tiny_notop.h5", MD5, 0)}


class _WouldDownloadError(Exception):
    """Stops Keras before it downloads a file."""


@pytest.mark.parametrize(("network", "builder"), BUILDERS.items())
def test_a_file_is_the_one_that_keras_would_download(
    monkeypatch: pytest.MonkeyPatch, network: str, builder: str
) -> None:
    asked: list[tuple[str, str, str]] = []

    def get_file(name: str, url: str, file_hash: str, **_: object) -> NoReturn:
        asked.append((name, url, file_hash))
        raise _WouldDownloadError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(_WouldDownloadError):
        getattr(keras.applications, builder)(include_top=False, weights="imagenet")
    file = catalogue.FILES[network]
    assert asked == [(file.name, file.url, file.md5)]


def test_keras_is_asked_for_every_file() -> None:
    assert set(catalogue.FILES) == set(BUILDERS)


def test_the_published_content_passes_in_any_folder(tmp_path: Path) -> None:
    path = tmp_path / "tiny_notop.h5"
    path.write_bytes(BODY)
    catalogue.require_published(path, FILES)


def test_a_published_name_with_other_content_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "tiny_notop.h5"
    path.write_bytes(BODY[:-1])
    with pytest.raises(
        InputError,
        match=rf"{path} is named like .* tiny, but its MD5 is \w+ instead of {MD5}\. Delete it and "
        r"run `make weights NAME=tiny`; if the weights are your own, give the file another name",
    ):
        catalogue.require_published(path, FILES)


def test_any_other_name_passes_whatever_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "mine.keras"
    path.write_bytes(b"my own")
    catalogue.require_published(path, FILES)
    catalogue.require_published(path)
