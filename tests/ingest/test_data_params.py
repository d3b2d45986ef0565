"""Tests of `ingest.data_params`: a path is one that DVC takes as it is meant."""

from pathlib import Path

import pytest

from metastasis.base import params
from metastasis.base.errors import InputError
from metastasis.ingest.data_params import DataParams


def read(folder: Path, source: str, slides: str = "data/slides.csv") -> DataParams:
    path = folder / "params.yaml"
    path.write_text(
        f"data: {{source: '{source}', listed: {{}}, slides: '{slides}', um_per_pixel: 1}}\n"
    )
    return params.read("data", DataParams, path)


@pytest.mark.parametrize("value", ["data/demo", "/a/b c", "./~", "a~b", "ü/x", "k.zip"])
def test_a_path_that_means_what_it_says_passes(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, value).source == value


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("~", "/home/me"),
        ("~/patches", "/home/me/patches"),
        ("$HOME/patches", "/home/me/patches"),
        ("${HOME}/patches", "/home/me/patches"),
        ("/mnt/$DATA_SET/x", "/mnt/pcam/x"),
        ("~/$DATA_SET", "/home/me/pcam"),
    ],
)
@pytest.mark.parametrize("key", ["source", "slides"])
def test_a_path_that_a_shell_would_expand_is_refused_with_the_one_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str, expanded: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA_SET", "pcam")
    values = {"source": "data/demo", "slides": "data/slides.csv"} | {key: value}
    with pytest.raises(InputError) as caught:
        read(tmp_path, **values)
    assert f"data.{key} is '{value}': DVC reads it literally" in str(caught.value)
    assert str(caught.value).endswith(f"; write {expanded}.")


@pytest.mark.parametrize("value", ["~nobody-of-this-name/x", "$NOT_SET_ANYWHERE/x"])
def test_a_path_that_expands_to_nothing_is_refused_all_the_same(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"VARIABLE, .*; write the path in full\.$"):
        read(tmp_path, value)


@pytest.mark.parametrize("value", ["s3://bucket/x", "https://example.org/k.zip", "GS://b"])
def test_an_address_is_no_path(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"should be a folder or a file on this machine"):
        read(tmp_path, value)


def test_a_folder_that_is_really_named_so_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    assert read(tmp_path, "~").source == "~"


@pytest.mark.parametrize("name", ["cost$", "k$2", "a`b`", 'say "x"', "a\\b"])
def test_a_path_that_the_shell_would_read_otherwise_is_refused_though_it_is_there(
    tmp_path: Path, name: str
) -> None:
    """DVC hands the path to a shell, within double quotes: k$2 would be the folder k."""
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="which the shell that DVC starts would interpret"):
        DataParams(
            source=str(tmp_path / name), listed={}, slides="data/slides.csv", um_per_pixel=0.972
        )


@pytest.mark.parametrize("value", ["0", "-1", "972", "10x", ".nan"])
def test_a_resolution_that_no_microscope_has_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        f"data: {{source: data/demo, listed: {{}}, slides: s.csv, um_per_pixel: {value}}}\n"
    )
    with pytest.raises(InputError, match=r"data\.um_per_pixel is .*: "):
        params.read("data", DataParams, path)


@pytest.mark.parametrize("name", ["../up", "Big", "a b", ""])
def test_a_listed_folder_has_a_name_that_can_name_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="should be a name of lower-case letters"):
        DataParams(
            source="data/demo", listed={name: "/data"}, slides="data/slides.csv", um_per_pixel=0.972
        )
