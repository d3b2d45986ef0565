"""Tests of `doctor.environment`: other versions than recorded are a problem, no project is none."""

import platform
from importlib import metadata
from pathlib import Path

import pytest

from metastasis.base import libraries
from metastasis.doctor import environment


def test_recorded_versions_are_counted_and_another_one_is_a_problem(tmp_path: Path) -> None:
    here = libraries.installed("keras")
    (tmp_path / "libraries.yaml").write_text(f"keras: {here}\n")
    found = environment.examine_libraries(tmp_path)
    assert f"keras {here}" in found.found
    assert "all 1 are the recorded versions" in found.found
    assert found.advice == ""
    (tmp_path / "libraries.yaml").write_text("keras: 1.2.3\n")
    found = environment.examine_libraries(tmp_path)
    assert found.advice == (
        f"keras {here} is installed, libraries.yaml says 1.2.3: run `make setup`."
    )


def test_without_a_project_the_versions_are_shown_alone() -> None:
    found = environment.examine_libraries(None)
    assert f"tensorflow {libraries.installed('tensorflow')}" in found.found
    assert "no project records their versions here" in found.found
    assert found.advice == ""


@pytest.mark.parametrize(("number", "is_problem"), [("3.10.1", True), ("3.12.0", False)])
def test_a_python_that_the_package_does_not_accept_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, number: str, *, is_problem: bool
) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: number)
    found = environment.examine_python()
    assert number in found.found
    assert ("The project needs <3.14,>=3.11" in found.advice) == is_problem


def test_extras_are_those_of_the_package_and_no_other_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    required = [
        "numpy>=2",
        "tensorflow>=2",
        "tensorflow[and-cuda]>=2; extra == 'gpu'",
        "no-such-cluster[data]>=2; extra == 'ray'",
        "keras>=3; extra == 'k'",
        "no-such-library>=1; extra == 'n'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda _: required)
    found = environment.examine_extras().found
    assert (
        found
        == f"keras {libraries.installed('keras')}; not installed: no-such-cluster, no-such-library"
    )
