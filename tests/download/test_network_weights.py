"""Tests of `download.network_weights` and its script; the files come from a server on loopback."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers import serving
from helpers.files import ROOT
from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile
from metastasis.download import lite0, network_weights
from metastasis.pretrained import catalogue
from metastasis.train import train_params

SCRIPT = ROOT / "scripts" / "fetch_weights.py"
NAME = "tiny_notop.h5"
BODY = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def server() -> Iterator[serving.Server]:
    with serving.serving({NAME: BODY}) as server:
        yield server


def fetch(server: serving.Server, folder: Path) -> Path:
    md5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    files = {"tiny": RemoteFile(NAME, f"{server.url}/keras-applications/{NAME}", md5, len(BODY))}
    return network_weights.fetch("tiny", folder, files)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_networks_file_is_downloaded_and_named(server: serving.Server, tmp_path: Path) -> None:
    path = fetch(server, tmp_path / "raw" / "weights")
    assert path == tmp_path / "raw" / "weights" / NAME
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == [NAME]


def test_a_download_goes_on_after_what_an_earlier_one_left(
    server: serving.Server, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.partial").write_bytes(BODY[:100_000])
    assert fetch(server, tmp_path).read_bytes() == BODY
    assert server.ranges == ["bytes=100000-"]


def test_a_file_that_is_there_is_verified_and_kept(server: serving.Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    fetch(server, tmp_path)
    assert server.ranges == []
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(InputError, match=r"its MD5 is \w+ instead of \w+\. It was not touched"):
        fetch(server, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"mine"


def test_wrong_bytes_leave_no_file(server: serving.Server, tmp_path: Path) -> None:
    server.planned.append(serving.send(b"<html>Please sign in</html>"))
    with pytest.raises(InputError, match=r"gave 27 bytes with the MD5 \w+ instead of"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_network_with_published_weights_is_offered() -> None:
    offers = network_weights.OFFERS
    assert set(offers) == set(train_params.PRETRAINED.values())
    assert set(offers) == {*catalogue.FILES, lite0.NETWORK}
    for network, file in catalogue.FILES.items():
        assert offers[network].megabytes == round(file.num_bytes / 1e6)


def test_without_a_name_the_script_lists_the_names_with_sizes_and_licences(tmp_path: Path) -> None:
    result = run(tmp_path / "weights")
    assert (result.returncode, result.stderr) == (0, "")
    for name, offer in network_weights.OFFERS.items():
        assert f"  {name} " in result.stdout
        assert f"  {offer.megabytes} MB  {offer.licence}\n" in result.stdout
    assert "trained on ImageNet, whose terms allow" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    result = run(tmp_path / "weights", "resnet50")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "fetch_weights.py: there are no published weights of resnet50: expected "
        "NAME=densenet121|efficientnetv2b0|efficientnet-lite0.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_script_converts_a_packages_weights_and_says_what_to_set(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    result = run(folder, "efficientnet-lite0")
    assert (result.returncode, result.stderr) == (0, "")
    path = folder / "efficientnet-lite0.keras"
    assert f"  train:\n    model: efficientnet-lite0\n    weights: {path}\n" in result.stdout
    assert [file.name for file in folder.iterdir()] == [path.name]
    size = path.stat().st_size
    assert network_weights.OFFERS["efficientnet-lite0"].megabytes == round(size / 1e6)
