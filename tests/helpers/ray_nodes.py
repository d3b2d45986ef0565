"""Starts a Ray cluster of two nodes on this machine, which leaves no process behind."""

import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

TIME_LIMIT = 120  # seconds until the cluster has started or ended

# In a process of its own, so that Ray leaves nothing in the one that tests. It ends with its input.
HOST = """
import sys
from ray.cluster_utils import Cluster
first, second = sys.argv[1:]
cluster = Cluster()
cluster.add_node(num_cpus=1, include_dashboard=False, env_vars={"TMPDIR": first})
cluster.add_node(num_cpus=1, env_vars={"TMPDIR": second})
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@dataclass(frozen=True)
class Nodes:
    """A running cluster."""

    address: str
    process: psutil.Process  # the parent of all others

    def processes(self) -> list[psutil.Process]:
        """Every process of the cluster, and what its workers started."""
        found: list[psutil.Process] = self.process.children(recursive=True)
        return found


@contextmanager
def two_nodes(folders: Sequence[Path], prefix: Sequence[str] = ()) -> Iterator[Nodes]:
    """Yield a cluster of two nodes with a CPU each, whose temporary files are in the `folders`.

    `prefix` is a command that starts the cluster's. Only who has the token in this process's
    environment may use it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # by default, 15: on a busy machine it starves
        with _hosted([*prefix, sys.executable, "-c", HOST, *map(str, folders)]) as nodes:
            yield nodes


@contextmanager
def _hosted(command: Sequence[str]) -> Iterator[Nodes]:
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        nodes = Nodes(host.stdout.readline().strip(), psutil.Process(host.pid))
        started = nodes.processes()
        try:
            assert nodes.address
            yield nodes
        finally:
            started += nodes.processes()
            host.stdin.close()
            host.wait(TIME_LIMIT)
            _, left = psutil.wait_procs(set(started), timeout=30)
            for process in left:
                process.kill()
            assert left == []
