"""Tests of `metastasis members` with real DVC and Ray: two nodes on this machine."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpers.projects import edit, make_project, put_back, ran, run, running
from helpers.ray_nodes import Nodes, two_nodes

pytestmark = pytest.mark.slow

MEMBERS = (sys.executable, "-m", "metastasis", "members")
NOWHERE = "127.0.0.1:1"  # where no cluster is
PATIENCE = 240  # seconds


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stages before the training have run, with two seeds of one epoch to train."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    edit(folder, "train", "epochs", 1)
    edit(folder, "train", "seeds", [1, 2])
    run(folder, "dvc", "repro", "crop", "split")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "the data")
    return folder


@pytest.fixture
def project(built: Path) -> Iterator[Path]:
    """The built project, put back as it was after the test."""
    yield built
    put_back(built, "crop", "split")
    for name in ("data/members", "models/members", "metrics/train"):
        shutil.rmtree(built / name, ignore_errors=True)
    run(built, "git", "checkout", "--quiet", "metrics/train")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The temporary folder of each node."""
    return [tmp_path_factory.mktemp(f"node-{number}") for number in (1, 2)]


@pytest.fixture(scope="module")
def nodes(folders: list[Path]) -> Iterator[Nodes]:
    with two_nodes(folders) as found:
        yield found


def left_to_run(project: Path, *targets: str) -> list[str]:
    """The stages up to `targets` that `dvc repro` would run, or take from DVC's cache of runs."""
    return ran(run(project, "dvc", "repro", "--dry", *targets))


def train_stages(folder: Path) -> str:
    """What dvc.lock records of the training."""
    lock = (folder / "dvc.lock").read_text()
    return lock[lock.index("  train@1-0:") :]


def test_members_trained_on_nodes_are_those_that_dvc_would_have_trained(
    project: Path, nodes: Nodes, folders: list[Path]
) -> None:
    told = run(project, *MEMBERS, nodes.address).stdout
    assert "2 of 2 are trained and scored, 2 of them now" in told
    assert left_to_run(project, "evaluate") == ["evaluate"]
    # The same bits as here, for the network, the logs and the scores.
    handed_back = train_stages(project)
    run(project, "dvc", "repro", "--force", "--single-item", "train@2-0", "score@2-0")
    assert train_stages(project) == handed_back
    # Nothing is missing now: it doesn't even take a cluster.
    assert "2 of 2 are trained and scored, 0 of them now" in run(project, *MEMBERS, NOWHERE).stdout
    for folder in folders:
        assert not [path for path in folder.glob("metastasis-*/*") if path.name != "cache"]
    # Of another way to score, only the scores.
    edit(project, "evaluate", "tta", "none")
    assert "score@1-0" in left_to_run(project, "evaluate")
    assert "2 of them now" in run(project, *MEMBERS, nodes.address).stdout
    assert left_to_run(project, "evaluate") == ["evaluate"]


def test_an_interrupted_call_and_a_killed_worker_cost_no_member(
    project: Path, nodes: Nodes, folders: list[Path]
) -> None:
    edit(project, "train", "epochs", 8)  # time enough to be killed in the midst of it
    edit(project, "train", "seeds", [2])

    def states() -> list[Path]:
        return [path for folder in folders for path in folder.glob("*/2-0-*/.state/*/*/*.npz")]

    with running(project, *MEMBERS, nodes.address) as process:
        wait_for(states)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    wait_for(lambda: not training(folders))
    before = states()
    assert before
    with (project / "dvc.lock").open("a") as lock:  # as if another member had ended since
        lock.write("# another\n")
    with running(project, *MEMBERS, nodes.address) as process:
        wait_for(lambda: training(folders) and working(nodes))
        [worker] = working(nodes)
        worker.send_signal(signal.SIGKILL)
        wait_for(lambda: not worker.is_running())
        assert process.wait(PATIENCE) == 0
    assert left_to_run(project, "evaluate") == ["evaluate"]
    assert training(folders) == []


def test_a_member_that_fails_costs_no_other_and_says_why(project: Path, nodes: Nodes) -> None:
    """The code here is run, though it isn't committed."""
    script = project / "stages/train.py"
    script.write_text(
        script.read_text()
        .replace(") -> None:\n", ') -> None:\n    if seed == 2:\n        sys.exit("no luck")\n', 1)
        .replace("import here", "import sys\n\nimport here")
    )
    told = run(project, *MEMBERS, nodes.address, is_ok=False).stdout
    assert "member 2-0 failed on " in told
    assert "no luck" in told
    assert "1 of 2 are trained and scored, 1 of them now" in told
    assert "Traceback" not in told
    assert left_to_run(project, "train", "score@1-0") == ["train@2-0"]


def test_a_full_disk_of_one_node_costs_no_member_of_another(project: Path, tmp_path: Path) -> None:
    edit(project, "train", "learning_rate", 0.001)  # which no test has trained with
    small = tmp_path / "small"
    small.mkdir()
    mount = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    mounted = f'mount -t tmpfs -o size=200k none "{small}" && exec "$@"'
    tried = subprocess.run([*mount, mounted, "sh", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("this machine allows no mount of a small disk")
    with two_nodes([tmp_path, small], (*mount, mounted, "sh")) as nodes:
        told = run(project, *MEMBERS, nodes.address, is_ok=False).stdout
    assert "No space left on device" in told
    assert "free some space there" in told
    assert "1 of 2 are trained and scored, 1 of them now" in told


def wait_for(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def working(nodes: Nodes) -> list[psutil.Process]:
    """The workers of the cluster that have a member."""
    return [each for each in nodes.processes() if "member" in each.name()]


def training(folders: list[Path]) -> list[psutil.Process]:
    """The processes that train in a folder of the nodes: they are children of no worker."""
    return [each for each in psutil.process_iter() if is_training(each, folders)]


def is_training(process: psutil.Process, folders: list[Path]) -> bool:
    try:
        place = Path(process.cwd())
        is_train = "stages/train.py" in process.cmdline()
    except psutil.Error:
        return False
    return is_train and any(place.is_relative_to(folder) for folder in folders)
