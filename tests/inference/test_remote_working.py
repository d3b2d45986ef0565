"""Tests of what a process of a cluster checks before it scores, and of whom a crew blames."""

import platform
from pathlib import Path

import pytest

from metastasis.base.errors import InputError
from metastasis.inference import remote, spreading
from metastasis.inference.remote import Job
from metastasis.inference.working import Terms, Unread

TERMS = Terms(size=96, um_per_pixel=1.0, stride=32, mpp=None)


def test_a_node_with_another_library_is_named_with_both_versions() -> None:
    versions = remote.versions() | {"numpy": "1.0"}
    job = Job("keras", {}, TERMS, 1, versions)
    installed = remote.versions()["numpy"]
    with pytest.raises(InputError) as caught:
        remote.start(job)
    assert f"the node {platform.node()} has other libraries" in str(caught.value)
    assert f"numpy {installed} for 1.0." in str(caught.value)


def unread(path: Path, *, is_out_of_reach: bool) -> Unread:
    return Unread(path, "it can't be read: No such file", is_out_of_reach, "node-7")


def test_a_file_that_only_a_node_cannot_read_is_the_node_s_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    spreading.require_same_files(unread(path, is_out_of_reach=True))  # nobody can read it
    path.write_bytes(b"text")
    spreading.require_same_files(unread(path, is_out_of_reach=False))  # what is in it is to blame
    with pytest.raises(InputError, match=r"a.png can be read here, but not on the node node-7"):
        spreading.require_same_files(unread(path, is_out_of_reach=True))
