"""Tests of scoring on a Ray cluster of two nodes, each of one processor, on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpers import images as made
from helpers import pyramids, trained
from helpers.files import ROOT
from metastasis.inference import judging, unfinished

PATIENCE = 240  # seconds for a call: it takes some 20 on two cores that nothing else uses
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT / "src"),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # by default, workers wait for all else on a busy machine
}
REGION = 1300  # pixels a side

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray import cluster_utils  # noqa: PLC0415  # an extra, and seconds

    with pytest.MonkeyPatch.context() as patched:
        for name, value in ENVIRONMENT.items():
            patched.setenv(name, value)
        cluster = cluster_utils.Cluster()
        cluster.add_node(num_cpus=0, include_dashboard=False)  # the first, which only leads
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster.address
        started = psutil.Process().children(recursive=True)
        cluster.shutdown()  # type: ignore[no-untyped-call]
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive


def name_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.write(tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of patches in two parts, a region in 5, a bad file and a region of glass."""
    folder = tmp_path_factory.mktemp("source")
    patch = made.encoded(pyramids.picture(96, 96), ".png")
    for number in range(judging.FILES + 100):
        (folder / f"{number:04}.png").write_bytes(patch)
    (folder / "0500.png").write_bytes(b"text")
    region = made.encoded(pyramids.picture(REGION, REGION), ".png")
    (folder / "region.png").write_bytes(region)
    pyramids.write(folder / "glass.tif", 245 + 0 * pyramids.picture(200, 200))
    return folder


@pytest.fixture(scope="module")
def expected(
    model: Path, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("local") / "output"
    assert start(source, model, output).wait(PATIENCE) == 2  # some weren't scored
    return contents(output)


def start(source: Path, model: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "metastasis", "predict", str(source), "--model", str(model)]
    command += ["--output", str(output), *options]
    environment = os.environ | ENVIRONMENT
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_until(process: subprocess.Popen[bytes], holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert process.poll() is None, "the call ended before"
        assert time.monotonic() < end
        time.sleep(0.02)


def stored(output: Path) -> int:
    """Return how many bytes the states hold."""
    return sum(path.stat().st_size for path in (output / unfinished.FOLDER).glob("*"))


def kill_worker() -> bool:
    """Kill a process that scores a part, if there is one; only this cluster's are ours."""
    for each in psutil.Process().children(recursive=True):
        if name_of(each).startswith("ray::answer"):
            each.kill()
            return True
    return False


def test_a_cluster_writes_the_same_bytes_even_if_a_worker_is_killed(
    address: str, model: Path, source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    process = start(source, model, output, "--ray", address)
    wait_until(process, lambda: stored(output) > 5000)  # the region has begun
    wait_until(process, kill_worker)
    assert process.wait(PATIENCE) == 2
    assert contents(output) == expected


def test_a_killed_call_goes_on_with_the_same_bytes(
    address: str, model: Path, source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "output"
    process = start(source, model, output, "--ray", address)
    wait_until(process, lambda: stored(output) > 5000)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert "predictions.csv" not in [path.name for path in output.iterdir()]
    found = start(source, model, output, "--ray", address)
    assert found.wait(PATIENCE) == 2
    assert contents(output) == expected
