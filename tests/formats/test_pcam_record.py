"""Tests of `formats.pcam_record` and of the script that downloads what it lists."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.files import ROOT
from metastasis.formats.pcam_record import FILES


def test_the_record_has_three_files_of_each_split() -> None:
    assert {file.name for file in FILES} == {
        f"camelyonpatch_level_2_split_{split}_{content}"
        for split in ("train", "valid", "test")
        for content in ("x.h5.gz", "y.h5.gz", "meta.csv")
    }


def test_every_file_has_its_own_md5() -> None:
    md5s = {file.md5 for file in FILES}
    assert len(md5s) == 9
    assert all(len(md5) == 32 and int(md5, 16) for md5 in md5s)


def test_addresses_are_those_of_the_record() -> None:
    for file in FILES:
        assert file.url == f"https://zenodo.org/records/2546921/files/{file.name}?download=1"


def test_the_script_leaves_a_file_of_the_users_alone_and_says_so(tmp_path: Path) -> None:
    mine = tmp_path / FILES[0].name
    mine.write_bytes(b"mine")
    script = ROOT / "scripts" / "fetch_pcam.py"
    # Without a proxy that exists: should the script ask for anything, it doesn't leave the machine.
    environment = os.environ | {"HTTPS_PROXY": "http://127.0.0.1:9"}
    result = subprocess.run(
        [sys.executable, script, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(f"fetch_pcam.py: {mine} exists already, but its MD5 is ")
    assert mine.read_bytes() == b"mine"
