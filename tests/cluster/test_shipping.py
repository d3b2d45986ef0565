"""Tests of `cluster.shipping`, `guarding` and `sharing_out`, without a cluster."""

import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.files import ROOT, assert_same_bytes
from metastasis import __main__
from metastasis.base import params
from metastasis.base.errors import InputError
from metastasis.cluster import guarding, sharing_out, shipping

PATIENCE = 30  # seconds


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stage of each kind that a member needs, and what it doesn't need."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n"
        "  crop: {outs: [data/crops]}\n"
        "  train:\n"
        "    deps: [data/crops, '${train.weights}', src/code, stages/train.py]\n"
        "    outs: ['models/${key}.keras']\n"
        "  score: {deps: ['models/${key}.keras', src/code]}\n"
    )
    for name in (
        "dvc.lock", "libraries.yaml", ".dvcignore", ".dvc/config", ".dvc/config.local",
        "src/code/new.py", "src/code/__pycache__/new.pyc", "src/other.py", "stages/train.py",
        "data/crops/a.npy", "raw/known.h5",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    params.PARAMS_PATH.write_text("train: {weights: raw/known.h5}")
    return tmp_path


@pytest.mark.usefixtures("tree")
def test_what_the_stages_of_a_member_declare_is_packed_and_nothing_else() -> None:
    assert shipping.inputs() == {"data/crops": "crop"}
    assert names(shipping.project()) == [
        ".dvc/config", ".dvcignore", "dvc.lock", "dvc.yaml", "libraries.yaml", "params.yaml",
        "raw/known.h5", "src/code/new.py", "stages/train.py",
    ]  # fmt: skip


def test_the_same_files_are_packed_into_the_same_bytes(tree: Path) -> None:
    packed = shipping.project()
    os.utime(tree / "dvc.yaml", (0, 0))
    assert shipping.project() == packed
    (tree / "src/code/new.py").write_text("edited")
    assert shipping.project() != packed


def test_a_finished_member_gives_the_project_no_other_name(tree: Path) -> None:
    """Otherwise the state of the others would be lost: dvc.lock gets an entry for each member."""
    before = shipping.digest(shipping.project())
    with (tree / "dvc.lock").open("a") as lock:
        lock.write("# another member\n")
    assert shipping.digest(shipping.project()) == before
    (tree / "params.yaml").write_text("train: {weights: raw/known.h5, epochs: 11}")
    assert shipping.digest(shipping.project()) != before


@pytest.mark.usefixtures("tree")
def test_weights_elsewhere_are_expected_on_every_machine() -> None:
    params.PARAMS_PATH.write_text("train: {weights: /data/known.h5}")
    assert "raw/known.h5" not in names(shipping.project())


def test_this_projects_members_read_the_split_and_the_crops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    assert shipping.inputs() == {"data/crops": "crop", "data/split.csv": "split"}


def test_an_archive_gives_back_its_files_and_replaces_none(tree: Path, tmp_path: Path) -> None:
    packed = shipping.archive([path for path in tree.rglob("*") if path.is_file()], tree)
    num_files = len(names(packed))
    target = tmp_path / "target"
    target.mkdir(mode=0o770)
    (target / "raw").mkdir()
    (target / "raw/known.h5").write_text("raw/known.h5")
    before = (target / "raw/known.h5").stat()
    shipping.unpack(packed, target)
    assert (target / "raw/known.h5").stat() == before
    assert (target / "src").stat().st_mode == target.stat().st_mode
    for path in tree.iterdir():
        if path != target and path.is_dir():
            assert_same_bytes(path, target / path.name, sum(p.is_file() for p in path.rglob("*")))
    assert len([path for path in target.rglob("*") if path.is_file()]) == num_files


def test_no_file_is_unpacked_outside_of_the_folder(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))
    (tmp_path / "inside").mkdir()
    with pytest.raises(tarfile.OutsideDestinationError):
        shipping.unpack(content.getvalue(), tmp_path / "inside")


def test_a_guarded_command_gives_its_output_and_its_exit_code(tmp_path: Path) -> None:
    with guarded(tmp_path / "log", "echo told; exit 3") as guard:
        assert guard.stdout is not None
        assert guard.stdout.read() == b"3\n"
    assert (tmp_path / "log").read_text() == "told\n"


def test_a_guarded_command_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """With all that it has started itself."""
    with guarded(tmp_path / "log", "sleep 61 & echo $!; sleep 62") as guard:
        end = time.monotonic() + PATIENCE
        while not (told := (tmp_path / "log").read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        assert guard.stdin is not None
        guard.stdin.close()
        assert guard.stdout is not None
        assert guard.stdout.read() == b"-9\n"
        psutil.wait_procs([psutil.Process(int(told))] if psutil.pid_exists(int(told)) else [], 30)
        assert not psutil.pid_exists(int(told))


def guarded(log: Path, script: str) -> subprocess.Popen[bytes]:
    log.touch()
    return subprocess.Popen(
        [sys.executable, guarding.__file__, str(log), "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{"CPU": 8.0}, {"CPU": 2.0}, {"memory": 1.0}], {"num_cpus": 2.0}),  # a head without
        ([{"CPU": 8.0}, {"CPU": 2.0, "GPU": 1.0}], {"num_gpus": 1}),
    ],
)
def test_a_member_asks_for_a_gpu_or_for_the_cores_of_the_smallest_machine(
    resources: list[dict[str, Any]], expected: dict[str, float]
) -> None:
    dead = {"Alive": False, "Resources": {"CPU": 1.0}}
    nodes = [dead, *({"Alive": True, "Resources": each} for each in resources)]
    assert sharing_out._resources(nodes) == expected  # noqa: SLF001
    with pytest.raises(InputError, match="no machine of the cluster offers a core"):
        sharing_out._resources([dead])  # noqa: SLF001


def test_without_ray_the_command_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert __main__.main(["members", "127.0.0.1:6379"]) == 2
    assert "Ray isn't installed: run `make setup EXTRA=ray`" in capsys.readouterr().err


def test_members_that_train_on_several_machines_each_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = (ROOT / "params.yaml").read_text().replace("workers: 1 ", "workers: 2 ")
    (tmp_path / "params.yaml").write_text(written)
    monkeypatch.chdir(tmp_path)
    assert __main__.main(["members", "127.0.0.1:6379"]) == 2
    assert "train.workers = 2 trains each member on several machines" in capsys.readouterr().err
