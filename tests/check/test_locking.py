"""Tests of `check.locking`: what libraries.yaml records of a lock."""

from pathlib import Path

import pytest
import yaml

from metastasis.base.errors import InputError
from metastasis.check import locking

FORKED = """
requires-python = ">=3.11, <3.13"

[[package]]
name = "keras"
version = "3.15.1"

[[package]]
name = "wheels"
version = "26.0"

[[package]]
name = "numpy"
version = "2.4.6"
resolution-markers = [
    "python_full_version < '3.12' and sys_platform == 'win32'",
    "python_full_version < '3.12' and sys_platform != 'win32'",
]

[[package]]
name = "numpy"
version = "2.5.5"
resolution-markers = ["python_full_version >= '3.12'"]

[[package]]
name = "metal"
version = "1.0"
resolution-markers = ["sys_platform == 'darwin'"]

[[package]]
name = "metal"
version = "2.0"
resolution-markers = ["sys_platform != 'darwin'"]
"""
PIPELINE = """
stages:
  train:
    cmd: train
    params:
      - train
      - libraries.yaml:
          - wheels
          - keras
      - other.yaml:
          - depth
  rest:
    cmd: rest
    params:
      - ../libraries.yaml: [numpy]
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "uv.lock"
    path.write_text(FORKED)
    return path


def test_a_library_of_one_version_is_recorded_by_it_and_a_forked_one_by_python(lock: Path) -> None:
    assert locking.locked(["keras", "numpy"], lock) == {
        "keras": "3.15.1",
        "numpy": "py311 2.4.6, py312 2.5.5",
    }


def test_a_library_that_differs_by_platform_is_recorded_by_both(lock: Path) -> None:
    assert locking.locked(["metal"], lock) == {
        "metal": "py311-darwin 1.0, py311-linux 2.0, py312-darwin 1.0, py312-linux 2.0"
    }


def test_what_is_written_holds_what_stages_declare_and_passes_the_check(lock: Path) -> None:
    pipeline, written = lock.with_name("dvc.yaml"), lock.with_name("libraries.yaml")
    pipeline.write_text(PIPELINE)
    locking.write(lock, [pipeline], written)
    recorded = yaml.safe_load(written.read_text())
    assert list(recorded) == ["keras", "numpy", "wheels"]
    assert recorded["wheels"] == "26.0"  # text: as a number it would be 26
    assert recorded["numpy"] == "py311 2.4.6, py312 2.5.5"  # one value, so one column in DVC
    locking.check(written, lock)


@pytest.mark.parametrize(
    ("old", "new"), [("3.15.1", "3.16.0"), ("2.5.5", "2.6.0"), ("2.4.6", "2.4.7")]
)
def test_an_upgrade_that_was_not_recorded_is_refused(lock: Path, old: str, new: str) -> None:
    pipeline, written = lock.with_name("dvc.yaml"), lock.with_name("libraries.yaml")
    pipeline.write_text(PIPELINE)
    locking.write(lock, [pipeline], written)
    lock.write_text(FORKED.replace(old, new))
    with pytest.raises(InputError, match=rf"records other versions.*{new}.*Run `make libraries`"):
        locking.check(written, lock)


def test_an_upgrade_of_what_no_stage_computes_with_passes(lock: Path) -> None:
    written = lock.with_name("libraries.yaml")
    written.write_text("keras: 3.15.1\n")
    lock.write_text(FORKED.replace('"26.0"', '"27.0"'))
    locking.check(written, lock)


def test_a_library_that_the_lock_lacks_is_named(lock: Path) -> None:
    with pytest.raises(InputError, match=r"uv\.lock has no jax, which stages declare"):
        locking.locked(["keras", "jax"], lock)


@pytest.mark.parametrize("content", [None, "<<<<<<< HEAD"])
def test_a_lock_that_is_gone_or_in_conflict_is_named(lock: Path, content: str | None) -> None:
    lock.unlink()
    if content:
        lock.write_text(content)
    with pytest.raises(InputError, match=r"uv\.lock is not readable .*git checkout"):
        locking.locked(["keras"], lock)
