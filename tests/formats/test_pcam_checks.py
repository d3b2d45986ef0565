"""Tests of `formats.pcam_checks`: a file is held against what is published of all files."""

import hashlib
from pathlib import Path

import pytest

from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile
from metastasis.formats import pcam_checks, pcam_record

VALID, TEST = (f"camelyonpatch_level_2_split_{split}_y.h5.gz" for split in ("valid", "test"))
CONTENTS = {VALID: b"labels of valid", TEST: b"labels of test."}
RECORD = [
    RemoteFile(name, "", hashlib.md5(content).hexdigest(), len(content))  # noqa: S324
    for name, content in CONTENTS.items()
]


def written(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_what_is_published_passes(tmp_path: Path) -> None:
    pcam_checks.check_published(written(tmp_path, CONTENTS), RECORD)


def test_a_file_that_is_published_under_another_name_is_refused(tmp_path: Path) -> None:
    paths = written(tmp_path, {VALID: CONTENTS[TEST], TEST: CONTENTS[VALID]})
    with pytest.raises(
        InputError, match=rf"^pcam-exchanged: .*{VALID} has the content published as {TEST} \(MD5 "
    ):
        pcam_checks.check_published(paths, RECORD)


def test_the_published_size_with_another_content_is_damage(tmp_path: Path) -> None:
    paths = written(tmp_path, {VALID: b"labels 0f valid"})
    with pytest.raises(
        InputError, match=r"^pcam-whole: .* has the 15 bytes .* expected [0-9a-f]{32}"
    ):
        pcam_checks.check_published(paths, RECORD)


def test_a_subset_and_files_of_other_names_pass(tmp_path: Path) -> None:
    paths = written(tmp_path, {VALID: b"fewer", "training_split.h5": CONTENTS[TEST]})
    pcam_checks.check_published(paths, RECORD)


def test_a_large_file_of_no_published_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "camelyonpatch_level_2_split_train_x.h5"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: to hash it would take 20 minutes
    pcam_checks.check_published([path])


def test_a_large_file_of_the_published_size_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "camelyonpatch_level_2_split_test_x.h5.gz"
    size = next(file.num_bytes for file in pcam_record.FILES if file.name == path.name)
    with path.open("wb") as file:
        file.truncate(size)
    with pytest.raises(InputError, match=f"^pcam-whole: .* has the {size:,} bytes"):
        pcam_checks.check_published([path])
