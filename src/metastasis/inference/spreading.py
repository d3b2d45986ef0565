"""A crew on a Ray cluster: each part is a task, and a process of the cluster keeps its worker.

Plain tasks rather than Ray Data: a part's logits go into the state on this machine's disk as soon
as they are there, in any order, so that a call goes on part by part; and no more parts are under
way than the cluster computes. Ray repeats the parts of a killed process or machine by itself.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from metastasis import ray_connection
from metastasis.base.errors import InputError
from metastasis.engines import engines
from metastasis.engines.engines import EngineName
from metastasis.inference import remote
from metastasis.inference.crews import Arguments
from metastasis.inference.remote import Job
from metastasis.inference.working import Terms, Unread
from metastasis.results import numbers

AHEAD = 2  # parts for each worker: one is computed, one waits
RETRIES = 3  # of a part whose process or machine was lost
POLL = 5  # seconds
PATIENCE = 60  # seconds until a cluster without a fitting machine is given up

K = TypeVar("K")
R = TypeVar("R")


@contextmanager
def crew(
    address: str, cpus: int, engine: EngineName, network_path: Path, terms: Terms
) -> "Iterator[Spread]":
    """Yield the crew of a cluster whose workers take `cpus` processors each.

    Raises:
        InputError: Ray isn't installed, the cluster doesn't answer or has no room for a worker, or
            the network can't be converted for the engine.
    """
    with engines.prepared(engine, network_path) as paths:
        network = {path.name: path.read_bytes() for path in paths}
    with ray_connection.connected(address) as ray:
        job = Job(engine, network, terms, cpus, remote.versions())
        spread = Spread(ray, address, cpus, job)
        print(f"predict: {spread.described()}; if it is lost, the same command goes on")
        yield spread


class Spread:
    """Workers on a cluster."""

    def __init__(self, ray: ModuleType, address: str, cpus: int, job: Job) -> None:
        """Take the connected module `ray`, and send the job to the cluster."""
        self._ray, self._address, self._cpus = ray, address, cpus
        self._num_slots, self._counted = 0, 0.0
        self._require_room()
        self._job = [ray.put(job)]
        self._task = ray.remote(num_cpus=cpus, max_retries=RETRIES)(remote.answer)

    def in_order(self, method: Callable[..., R], arguments: Iterable[Arguments]) -> Iterator[R]:
        """Yield the answers in the order of the arguments, prepared ahead for each worker."""
        left = iter(arguments)
        asked: deque[Any] = deque()
        while True:
            asked.extend(
                self._ask(method, each) for each in itertools.islice(left, self._room(asked))
            )
            if not asked:
                return
            yield self._get(asked.popleft())

    def as_finished(
        self, method: Callable[..., R], asked: Iterator[tuple[K, Arguments]]
    ) -> Iterator[tuple[K, R]]:
        """Yield each key with its answer; no more is asked than the cluster computes."""
        keys: dict[Any, K] = {}
        while True:
            for key, each in itertools.islice(asked, self._room(keys)):
                keys[self._ask(method, each)] = key
            if not keys:
                return
            reference = self._first(list(keys))
            yield keys.pop(reference), self._get(reference)

    def described(self) -> str:
        """Return in words how large the crew is."""
        workers = numbers.count(self._num_slots, "worker")
        return f"{workers} on the Ray cluster {self._address}"

    def check(self, unread: Unread) -> None:
        """Raise an InputError if a node can't read a file that this machine can."""
        require_same_files(unread)

    def _room(self, asked: "dict[Any, Any] | deque[Any]") -> int:
        """Return how many more parts may be asked for; nodes come and go, all of them too."""
        if time.monotonic() > self._counted + POLL:
            self._count()
        return max(AHEAD * max(self._num_slots, 1) - len(asked), 0)

    def _ask(self, method: Callable[..., R], arguments: Arguments) -> Any:  # noqa: ANN401
        return self._task.remote(self._job, method.__name__, arguments)

    def _first(self, references: list[Any]) -> Any:  # noqa: ANN401  # ray.ObjectRef
        """Return the first that is there."""
        given_up = time.monotonic() + PATIENCE
        while True:
            with self._told():
                done, _ = self._ray.wait(references, num_returns=1, timeout=POLL)
            if done:
                return done[0]
            if self._count():
                given_up = time.monotonic() + PATIENCE
            elif time.monotonic() > given_up:
                self._require_room()

    def _get(self, reference: Any) -> Any:  # noqa: ANN401  # ray.ObjectRef, and what it refers to
        self._first([reference])
        with self._told():
            return self._ray.get(reference)

    def _count(self) -> int:
        """Return how many workers fit into the cluster, and remember it."""
        with self._told():
            nodes = [each for each in self._ray.nodes() if each["Alive"]]
        cpus = [int(each["Resources"].get("CPU", 0)) for each in nodes]
        self._num_slots = sum(each // self._cpus for each in cpus)
        self._counted = time.monotonic()
        return self._num_slots

    def _require_room(self) -> None:
        if not self._count():
            raise InputError(
                f"the Ray cluster {self._address} has no node with "
                f"{numbers.count(self._cpus, 'processor')} for a worker: start nodes, or name "
                "fewer by --ray-cpus. What is scored is kept: the same command goes on."
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise errors of a worker as its own, and those of the cluster as messages."""
        errors = self._ray.exceptions
        try:
            yield
        except errors.RayTaskError as error:
            if isinstance(error.cause, InputError | OSError):
                raise error.cause from None
            raise
        except (errors.RayError, ConnectionError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(
                f"the Ray cluster {self._address} failed ({type(error).__name__}: {reason}). What "
                "is scored is kept: the same command goes on."
            ) from None


def require_same_files(unread: Unread) -> None:
    """Raise an InputError if a node can't read a file that this machine can."""
    if not unread.is_out_of_reach:
        return
    try:
        with unread.path.open("rb") as file:
            file.read(1)
    except OSError:
        return
    raise InputError(
        f"{unread.path} can be read here, but not on the node {unread.node} ({unread.reason}): "
        "every node has to see the images under the same path, as on a shared file system. What "
        "is scored is kept: the same command goes on."
    )
