"""Tests with real DVC that results are shared: by a remote on S3, by experiments, by a cache."""

import hashlib
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.files import ROOT
from helpers.projects import edit, ran, run
from helpers.s3 import BUCKET, Server, serving
from metastasis.cluster import member_runs, shipping

pytestmark = pytest.mark.slow

PUSH = (sys.executable, str(ROOT / "scripts/push.py"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="module")
def owner(built: Path, server: Server) -> Path:
    """The first run, in git and in a remote that docs/sharing.md sets up.

    `hub.git` beside it is what others clone.
    """
    run(built, "dvc", "remote", "add", "--default", "storage", f"s3://{BUCKET}/metastasis")
    run(built, "dvc", "remote", "modify", "storage", "endpointurl", server.url)
    run(built, "git", "commit", "--quiet", "--all", "--amend", "--no-edit")
    run(built, "dvc", "push")
    run(built.parent, "git", "clone", "--quiet", "--bare", built.name, "hub.git")
    run(built, "git", "remote", "add", "origin", str(built.parent / "hub.git"))
    return built


def cloned(owner: Path, folder: Path, *options: str) -> Path:
    """Clone what the owner pushed into `folder`."""
    source = f"file://{owner.parent}/hub.git"
    run(folder.parent, "git", "clone", "--quiet", *options, source, str(folder))
    return folder


def test_a_push_that_the_server_leaves_is_completed_by_the_second_try(
    owner: Path, server: Server, tmp_path: Path
) -> None:
    clone = cloned(owner, tmp_path / "clone")
    run(clone, "dvc", "cache", "dir", "--local", str(owner / ".dvc/cache"))
    run(clone, "dvc", "remote", "modify", "storage", "url", f"s3://{BUCKET}/another")
    server.leave_after(10)
    told = run(clone, *PUSH, is_ok=False).stdout
    server.come_back()
    assert f'endpoint URL: "{server.url}/{BUCKET}/another/files/md5' in told
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    assert "the remote has all" in run(clone, *PUSH).stdout
    assert "in sync" in run(clone, "dvc", "status", "--cloud").stdout
    # Nothing is lost: there is all that an undisturbed push has brought.
    assert server.names("another") == server.names("metastasis")
    # A hole that DVC leaves if a file of two folders fails in one of them: it sees none.
    [shard] = (owner / "data/crops").glob("*.npy")
    digest = hashlib.md5(shard.read_bytes(), usedforsecurity=False).hexdigest()
    server.lose(f"another/files/md5/{digest[:2]}/{digest[2:]}")
    assert "up to date" in run(clone, "dvc", "push").stdout
    assert server.names("another") < server.names("metastasis")
    assert "`dvc push` had left out 1" in run(clone, *PUSH).stdout
    assert server.names("another") == server.names("metastasis")


def test_a_pull_that_the_server_leaves_is_completed_by_the_second_try(
    owner: Path, server: Server, tmp_path: Path
) -> None:
    """Then nothing runs on the second machine."""
    clone = cloned(owner, tmp_path / "clone")
    server.leave_after(10)
    told = run(clone, "dvc", "pull", is_ok=False).stdout
    server.come_back()
    assert f'endpoint URL: "{server.url}/{BUCKET}/metastasis/files/md5' in told
    assert "Traceback" not in told
    run(clone, "dvc", "pull")
    assert ran(run(clone, "dvc", "repro")) == []
    assert "up to date" in run(clone, "dvc", "status").stdout
    assert run(clone, "git", "status", "--porcelain").stdout == ""


def test_a_shallow_clone_says_what_it_lacks(owner: Path, tmp_path: Path) -> None:
    clone = cloned(owner, tmp_path / "clone", "--depth", "1")
    # Without any data: whether all that is committed belongs together.
    checked = ("dvc", "repro", "--allow-missing", "--dry", "explain", "predict")
    assert ran(run(clone, *checked)) == []
    told = run(clone, "dvc", "metrics", "diff", "HEAD~1", is_ok=False).stdout
    assert "unknown Git revision 'HEAD~1'" in told
    told = run(clone, "python", "-m", "metastasis", "compare", "HEAD~1", is_ok=False).stdout
    assert "Run `git fetch --unshallow`" in told
    # It compares what it has, with what it pulls.
    run(clone, "dvc", "pull", "data/scores.csv")
    assert "no evidence" in run(clone, "python", "-m", "metastasis", "compare", "HEAD").stdout
    run(clone, "git", "fetch", "--quiet", "--unshallow")
    assert "test.roc_auc" in run(clone, "dvc", "metrics", "diff", "HEAD~1").stdout
    edit(clone, "train", "learning_rate", 0.01)
    assert ran(run(clone, *checked, is_ok=False)) == ["check"]  # which would come first


def test_an_experiment_that_was_restored_here_is_not_trained_there(
    owner: Path, tmp_path: Path
) -> None:
    setting = ("-S", "train.learning_rate=0.001")
    run(owner, "dvc", "exp", "run", "-n", "first", *setting, "train@1-0")
    run(owner, "git", "reset", "--hard", "--quiet")
    run(owner, "dvc", "exp", "remove", "first")
    restored = run(owner, "dvc", "exp", "run", "-n", "again", *setting, "train@1-0")
    assert ran(restored) == ["check"]
    run(owner, "dvc", "exp", "push", "origin", "again")
    clone = cloned(owner, tmp_path / "clone")
    run(clone, "dvc", "exp", "pull", "origin", "again")
    run(clone, "dvc", "exp", "apply", "again")
    assert ran(run(clone, "dvc", "repro", "train@1-0")) == []
    assert "0.001" in run(clone, "dvc", "params", "diff").stdout
    run(owner, "git", "reset", "--hard", "--quiet")
    run(owner, "dvc", "checkout", "--quiet", "--force")


def test_two_people_share_one_cache(owner: Path, server: Server, tmp_path: Path) -> None:
    """As docs/sharing.md says; the second needs no remote, and neither can spoil the other's."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    first, second = (cloned(owner, tmp_path / name) for name in ("first", "second"))
    for clone in (first, second):
        run(clone, "dvc", "cache", "dir", "--local", str(shared))
        run(clone, "dvc", "config", "--local", "cache.shared", "group")
        run(clone, "dvc", "config", "--local", "cache.type", "symlink")
    run(first, "sh", "-c", "umask 077; dvc pull")  # whatever the first one's own habits
    server.leave_after(0)
    run(second, "dvc", "checkout")
    server.come_back()
    assert ran(run(second, "dvc", "repro")) == []
    modes = {path.stat().st_mode for path in shared.rglob("*") if path.is_dir()}
    assert all(mode & (stat.S_IRWXG | stat.S_ISGID) == 0o2070 for mode in modes)
    network = second / "models/members/1-0.keras"
    assert network.is_symlink()
    assert network.resolve().is_relative_to(shared)
    assert network.stat().st_mode & 0o777 == 0o444
    # A rerun writes new files, not through the links.
    before = run(first, "dvc", "status").stdout
    edit(second, "crop", "size", 64)
    run(second, "dvc", "repro", "crop")
    assert run(first, "dvc", "status").stdout == before
    # What one has run, the other need not run.
    edit(first, "crop", "size", 64)
    assert ran(run(first, "dvc", "repro", "crop")) == ["check"]


def test_a_member_is_scored_on_a_machine_that_pulls_its_inputs(
    owner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine of a cluster that doesn't see the cache of the one that asks."""
    monkeypatch.chdir(owner)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    network = [Path(f"models/members/1-0.{ending}") for ending in ("keras", "json")]
    job = member_runs.Job(
        "1-0",
        ("score@1-0",),
        shipping.project(*network),
        tuple(shipping.inputs()),
        tmp_path / "unseen",
    )
    outcome = member_runs.run(job)
    assert outcome.failure == ""
    shipping.unpack(outcome.objects, tmp_path)
    [scores] = (tmp_path / "files/md5").glob("*/*")
    assert scores.read_bytes() == (owner / "data/members/1-0.csv").read_bytes()


def test_a_machine_that_can_not_get_a_members_inputs_says_what_to_do(
    owner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(owner)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    Path(".dvc/config").write_text("")
    job = member_runs.Job(
        "1-0", ("train@1-0",), shipping.project(), tuple(shipping.inputs()), tmp_path / "unseen"
    )
    run(owner, "git", "checkout", "--quiet", ".dvc/config")
    outcome = member_runs.run(job)
    assert "it can't get data/crops and data/split.csv: DVC's cache at" in outcome.failure
    assert "Run `make push` here" in outcome.failure
    assert outcome.objects == b""
