"""Tests of `train.clusters`: two workers train what one does, and a lost one is no lost run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import clusters as cluster
from helpers.networks import assert_same_but_rounding
from helpers.training import MILD, train, write_noise
from metastasis.base.errors import InputError
from metastasis.train import clusters


def node(name: str, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": True, "Resources": resources}


def test_workers_need_a_cpu_each_or_a_gpu_each_where_there_are_any() -> None:
    nodes = [node("here", CPU=1.0), node("there", CPU=3.0)]
    assert clusters.require_room(nodes, "here", 4) == "CPU"
    with pytest.raises(InputError, match=r"workers = 5 needs as many CPUs, but .* has 4 \(on 2"):
        clusters.require_room(nodes, "here", 5)
    nodes = [node("here", CPU=1.0, GPU=1.0), node("there", CPU=3.0, GPU=2.0)]
    assert clusters.require_room(nodes, "here", 3) == "GPU"
    with pytest.raises(InputError, match="needs as many GPUs, but the Ray cluster has 3"):
        clusters.require_room(nodes, "here", 4)


def test_a_dead_machine_does_not_count_and_the_own_one_has_to() -> None:
    dead = node("gone", CPU=8.0) | {"Alive": False}
    with pytest.raises(InputError, match="has 1 "):
        clusters.require_room([node("here", CPU=1.0), dead], "here", 2)
    with pytest.raises(InputError, match="the first worker runs on this machine, which has no CPU"):
        clusters.require_room([node("here"), node("there", CPU=4.0)], "here", 2)


def test_without_ray_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path)
    with pytest.raises(InputError, match=r"Ray, which isn't installed: run `make setup EXTRA=ray`"):
        train(tmp_path, workers=2)
    assert not (tmp_path / "out").exists()


def test_a_batch_that_workers_cannot_share_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path)
    message = r"train.workers = 3 can't share train.batch_size = 4 evenly; choose a multiple of 3"
    with pytest.raises(InputError, match=message):
        train(tmp_path, workers=3)


def test_what_workers_write_is_printed_and_without_a_printer_they_fail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with clusters.printed() as path:
        for number in range(2):  # a chief, and the next one
            with clusters.printer(path) as file:
                print("epoch", number, file=file)
    assert capfd.readouterr().out == "epoch 0\nepoch 1\n"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        clusters.printer(tmp_path / "pipe")


def test_one_worker_imports_no_ray(tmp_path: Path) -> None:
    write_noise(tmp_path)
    code = (
        "import sys; from pathlib import Path; from helpers.training import CALM, train; "
        "train(Path(), **CALM); assert not any(name.split('.')[0] == 'ray' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=cluster.ENVIRONMENT, check=True)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster.two_nodes() as found:
        yield found


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_train_the_network_of_a_single_process(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path)
    changes = MILD | {"epochs": 3}
    (tmp_path / "kill").touch()
    with cluster.start(tmp_path, address, out="shared", workers=2, **changes) as process:
        said, errors = process.communicate(timeout=cluster.TIME_LIMIT)
    assert process.returncode == 0, errors
    own = [line for line in said.splitlines() if line.startswith(("train:", "epoch "))]
    assert [line.split(":")[0] for line in own] == [
        "train",  # its sizes
        "epoch   1",
        "train",  # that a worker was lost
        "train",
        "train",  # that it resumes
        "epoch   2",
        "epoch   3",
    ]
    assert "train: resumes after epoch 1\n" in said
    assert not (tmp_path / "kill").exists()

    first, second = (np.load(tmp_path / f"weights-{index}.npz") for index in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    train(tmp_path, "alone", **changes)
    assert_same_but_rounding(tmp_path / "shared/network.keras", tmp_path / "alone/network.keras")
    table = pd.read_csv(tmp_path / "split.csv")
    is_learnt = (table["split"] == "train").to_numpy()
    reads = [json.loads(line) for line in (tmp_path / "read-1").read_text().splitlines()]
    assert {len(rows) for rows in reads} == {2}  # half of each batch of 4
    assert is_learnt[np.concatenate(reads)].all()


@pytest.mark.slow
def test_more_workers_than_processors_are_told_and_do_not_wait(
    address: str, tmp_path: Path
) -> None:
    write_noise(tmp_path)
    with cluster.start(tmp_path, address, **MILD, workers=4) as process:
        _, errors = process.communicate(timeout=cluster.TIME_LIMIT)
    assert process.returncode == 1
    assert "train.workers = 4 needs as many CPUs, but the Ray cluster has 2 (on 2" in errors
