"""Starts a Ray cluster of two nodes on this machine, and watches the workers that train on it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil

from helpers.files import ROOT
from metastasis.patches import shards
from metastasis.train import feeding, fitting, training
from metastasis.train.resuming import State
from metastasis.train.workers import Worker

TIME_LIMIT = 400  # seconds, for starting the cluster and for each training
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "tests")}

# In a process of its own, so that Ray leaves nothing in the one that tests. It ends with its input.
HOST = """
import os, sys
from metastasis.train import clusters
os.environ.update(clusters.SETTINGS)
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""

TRAINING = """
import json, sys
from pathlib import Path
from metastasis.base import settings
settings.apply()
from helpers import clusters
from helpers.training import train
from metastasis.base.errors import InputError
from metastasis.train import training
training.work = clusters.watched
try:
    train(Path(), **json.loads(sys.argv[1]))
except InputError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(130)
"""


@contextmanager
def two_nodes() -> Iterator[str]:
    """Yield the address of a cluster of two nodes with a CPU each; leave none of its processes."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with host:
        assert host.stdout is not None
        address = host.stdout.readline().strip()
        assert address
        yield address
        started = psutil.Process(host.pid).children(recursive=True)
        assert host.stdin is not None
        host.stdin.close()
        host.wait(TIME_LIMIT)
        _, left = psutil.wait_procs(started, timeout=30)
        # One that has ended without a parent that asked how is no process any more.
        assert [each for each in left if each.status() != psutil.STATUS_ZOMBIE] == []


def start(data: Path, address: str, **changes: object) -> subprocess.Popen[str]:
    """Train in the folder `data` on the cluster, as `helpers.training.train` does, in a process."""
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, json.dumps(changes)],
        cwd=data,
        env=ENVIRONMENT | {"RAY_ADDRESS": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def watched(job: training.Job, worker: Worker) -> None:
    """Work; write down which patches this worker reads, and the weights that it ends with.

    If there is a file `kill`, the second worker removes it and is killed in its second epoch.
    """
    take, batch, fit = shards.Patches.take, feeding.Feed.batch, fitting.fit

    def noted(patches: shards.Patches, places: shards.Places) -> shards.UInt8:
        with Path(f"read-{worker.index}").open("a") as file:
            print(json.dumps(places[:, 1].tolist()), file=file)
        return take(patches, places)

    def deadly(feed: feeding.Feed, step: int) -> tuple[shards.UInt8, feeding.Floats]:
        if worker.index == 1 and step > feed.num_steps and Path("kill").exists():
            Path("kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return batch(feed, step)

    def told(network: keras.Model, *others: Any, **named: Any) -> State:  # noqa: ANN401  # as given
        state = fit(network, *others, **named)
        np.savez(f"weights-{worker.index}.npz", *network.get_weights())
        return state

    shards.Patches.take, feeding.Feed.batch, fitting.fit = noted, deadly, told  # type: ignore[assignment,method-assign]
    TRUE_WORK(job, worker)


TRUE_WORK = training.work
