"""Tests of `base.libraries`: what is installed against what is recorded."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from metastasis.base import libraries
from metastasis.base.errors import InputError

PYTHON = f"py{sys.version_info.major}{sys.version_info.minor}"


def require(tmp_path: Path, content: str) -> None:
    path = tmp_path / "libraries.yaml"
    path.write_text(content)
    libraries.require_installed(path)


def test_the_projects_own_file_agrees_with_what_is_installed() -> None:
    assert set(libraries.read()) > {"keras", "numpy", "tensorflow"}
    libraries.require_installed()


def test_another_version_is_named_with_the_recorded_one_and_the_mend(tmp_path: Path) -> None:
    found = version("pyyaml")
    message = f"pyyaml {found} is installed, libraries.yaml says 0.1: run `make setup`."
    with pytest.raises(InputError, match=re.escape(message)):
        require(tmp_path, "pyyaml: '0.1'\n")


def test_a_library_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nosuch \(none\) is installed, .* says 1\.0\.0"):
        require(tmp_path, "nosuch: 1.0.0\n")


def test_the_version_of_the_running_python_counts(tmp_path: Path) -> None:
    found = version("numpy")
    require(tmp_path, f"numpy: py300 0.0.1, {PYTHON} {found}\n")
    require(tmp_path, f"numpy: {PYTHON}-other 0.0.1, {PYTHON}-{sys.platform} {found}\n")
    with pytest.raises(InputError, match=r"says 0\.0\.1"):
        require(tmp_path, f"numpy: py300 {found}, {PYTHON} 0.0.1\n")
    with pytest.raises(InputError, match=r"says None"):
        require(tmp_path, f"numpy: py300 {found}\n")


def test_what_is_put_together_is_understood(tmp_path: Path) -> None:
    versions = {libraries.key("3.0"): "0.0.1", PYTHON: version("numpy")}
    require(tmp_path, f"numpy: {libraries.together(versions)}\n")


@pytest.mark.parametrize(
    "content", ["", "keras", "keras: [", "- keras", "keras: {py311: 1.0.0}", "keras: 3.15"]
)
def test_a_file_of_another_form_is_named_with_the_way_back(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"(?s)libraries\.yaml .*git checkout libraries\.yaml"):
        require(tmp_path, content)
