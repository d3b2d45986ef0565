"""Shares the members of the ensemble out to the machines of a cluster, one task each.

`member_runs` is the task. Its outputs come back as files of DVC's cache with the record of their
run. From there `restoring` takes them as DVC takes any earlier run: only if code, params and data
are those recorded. So no network can be taken for one of another recipe.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from metastasis import ray_connection
from metastasis.base import stage
from metastasis.base.errors import InputError
from metastasis.cluster import member_runs, restoring, shipping
from metastasis.cluster.member_runs import Job, Outcome
from metastasis.members import Member

NUM_RETRIES = 3  # of a task whose worker or machine died


@dataclass(frozen=True)
class Summary:
    """What was done: the keys of members that are trained and scored now, and why others aren't."""

    done: list[str]
    failed: dict[str, str]


def share_out(members: Sequence[Member], address: str, say: Callable[[str], None]) -> Summary:
    """Train and score on the cluster each of the `members` that isn't yet, as DVC would.

    What DVC has in its cache is taken from there. A member whose machine dies is tried again on
    another, and one that fails costs no other.

    Raises:
        InputError: Ray isn't installed, there is no cluster, or the stages before `train` fail.
    """
    ray_connection.require()
    before = [sys.executable, "-m", "dvc", "repro", *shipping.inputs().values()]
    if subprocess.run(before, check=False).returncode:  # noqa: S603  # our own command
        raise InputError("a stage before `train` failed; see above.")
    jobs = {job.key: job for job in _missing([member.key for member in members])}
    if not jobs:
        return Summary([], {})
    done, failed = [], {}
    with ray_connection.connected(address, with_package=True) as ray:
        for outcome in _outcomes(ray, jobs.values()):
            failure = outcome.failure or _take(outcome, jobs[outcome.key])
            if failure:
                failed[outcome.key] = failure
                say(f"member {outcome.key} failed on {outcome.machine}:\n{failure}")
            else:
                done.append(outcome.key)
                say(f"member {outcome.key} done on {outcome.machine}, {outcome.seconds:.0f} s")
    return Summary(done, failed)


def _missing(keys: Sequence[str]) -> Iterator[Job]:
    """Restore what DVC's cache has of the members, and yield a job for the rest of each."""
    to_train = restoring.restore(f"train@{key}" for key in keys)
    trained = {key for key in keys if f"train@{key}" not in to_train}
    to_score = restoring.restore(f"score@{key}" for key in keys if key in trained)
    inputs, cache = tuple(shipping.inputs()), restoring.cache_folder()
    project = shipping.project()
    for key in keys:
        if key not in trained:
            yield Job(key, (f"train@{key}", f"score@{key}"), project, inputs, cache)
        elif f"score@{key}" in to_score:
            network = [Path(f"models/members/{key}.{ending}") for ending in ("keras", "json")]
            yield Job(key, (f"score@{key}",), shipping.project(*network), inputs, cache)


def _outcomes(ray: ModuleType, jobs: Iterable[Job]) -> Iterator[Outcome]:
    """Run the jobs on the cluster, and yield each outcome as it comes."""
    task, resources = ray.remote(member_runs.run), _resources(ray.nodes())
    options = {"max_retries": NUM_RETRIES, "scheduling_strategy": "SPREAD"} | resources
    keys = {task.options(name=f"member {job.key}", **options).remote(job): job.key for job in jobs}
    while keys:
        [ready], _ = ray.wait(list(keys), num_returns=1)
        key = keys.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayError as error:
            yield Outcome(key, "the cluster", 0, failure=str(error).strip())


def _resources(nodes: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return what a task asks for: a GPU, or else all cores of the machine that has the fewest.

    So each machine trains a member at a time, and larger ones several.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    if any(resources.get("GPU") for resources in alive):
        return {"num_gpus": 1}
    cores = [resources["CPU"] for resources in alive if resources.get("CPU")]
    if not cores:
        raise InputError("no machine of the cluster offers a core; see `ray status`.")
    return {"num_cpus": min(cores)}


def _take(outcome: Outcome, job: Job) -> str:
    """Put the outputs into DVC's cache and restore them; return why they can't be, or nothing."""
    try:
        shipping.unpack(outcome.objects, job.cache)
        # One after the other: `score` reads what `train` wrote.
        changed = [name for name in job.stages if restoring.restore([name])]
    except (InputError, OSError) as error:
        message = stage.advice(error)
        if message is None:
            raise
        return message
    if changed:
        return (
            f"code, params or data of {changed[0]} have changed since the start; the outputs are "
            "in DVC's cache under the former ones."
        )
    return ""
