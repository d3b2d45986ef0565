"""Tests of what the calling machine asks of a cluster, with a stand-in for Ray in this process.

`test_spreading` has a real cluster.
"""

import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.base.errors import InputError
from metastasis.inference import spreading
from metastasis.inference.remote import Job
from metastasis.inference.spreading import Spread
from metastasis.inference.working import Terms

JOB = Job("keras", {}, Terms(size=96, um_per_pixel=1.0, stride=32, mpp=None), 1, {})


class TaskError(Exception):
    """As Ray's, it holds the error of the worker."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


class ClusterError(Exception):
    """As Ray's, of a cluster."""


class Ray:
    """Answers in an order that chance decides, while it has nodes."""

    exceptions = SimpleNamespace(RayTaskError=TaskError, RayError=ClusterError)

    def __init__(self, seed: int, cpus: Iterator[int]) -> None:
        self._random, self._cpus = np.random.default_rng(seed), cpus
        self._alive = 1
        self._num_under_way = self.most_under_way = 0

    def nodes(self) -> list[dict[str, Any]]:
        """Return one node, alive or dead."""
        self._alive = next(self._cpus)
        return [{"Alive": self._alive > 0, "Resources": {"CPU": float(self._alive)}}]

    def put(self, value: object) -> object:
        """Return what stands for the value."""
        return value

    def remote(self, **_: object) -> Any:  # noqa: ANN401  # as Ray
        """Return a decorator."""
        return lambda _: SimpleNamespace(remote=self._ask)

    def _ask(self, _: object, method: str, arguments: tuple[Any, ...]) -> object:
        self._num_under_way += 1
        self.most_under_way = max(self.most_under_way, self._num_under_way)
        return (method, arguments, object())

    def wait(self, references: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
        """Return one that is finished, if a node is alive."""
        chosen = references[int(self._random.integers(len(references)))]
        return ([chosen] if self._alive else []), []

    def get(self, reference: Any) -> Any:  # noqa: ANN401  # as Ray
        """Return an answer: the arguments."""
        self._num_under_way -= 1
        method, arguments, _ = reference
        if method == "fails":
            raise arguments[0]
        return arguments


def echoes() -> object: ...
def fails() -> object: ...


def crew(ray: Ray) -> Spread:
    return Spread(cast("Any", ray), "host:1", 1, JOB)


@given(
    seed=st.integers(0, 99),
    nodes=st.lists(st.integers(0, 4), max_size=20),
    num_parts=st.integers(0, 30),
)
def test_every_part_is_answered_once_though_nodes_come_and_go(
    seed: int, nodes: list[int], num_parts: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spreading, "POLL", -1)  # count the nodes each time
        ray = Ray(seed, itertools.chain([1], nodes, itertools.repeat(2)))
        spread = crew(ray)
        asked = ((number, (number,)) for number in range(num_parts))
        found = list(spread.as_finished(echoes, asked))
        assert sorted(found) == [(number, (number,)) for number in range(num_parts)]
        ordered = list(spread.in_order(echoes, ((number,) for number in range(num_parts))))
        assert ordered == [(number,) for number in range(num_parts)]
        assert ray.most_under_way <= spreading.AHEAD * 4


def test_a_cluster_that_stays_without_nodes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "PATIENCE", 0)
    monkeypatch.setattr(spreading, "POLL", -1)
    spread = crew(Ray(0, itertools.chain([1], itertools.repeat(0))))
    with pytest.raises(
        InputError, match=r"host:1 has no node with 1 processor for a worker: .* is kept"
    ):
        list(spread.as_finished(echoes, iter([(1, ())])))


def test_errors_of_a_worker_are_its_own_and_those_of_the_cluster_have_advice() -> None:
    spread = crew(Ray(0, itertools.repeat(1)))
    with pytest.raises(InputError, match=r"^the weights are broken$"):
        list(spread.in_order(fails, [(TaskError(InputError("the weights are broken")),)]))
    with pytest.raises(InputError, match=r"host:1 failed \(ClusterError: gone\)\. What is scored"):
        list(spread.in_order(fails, [(ClusterError("gone\nlong text"),)]))
    with pytest.raises(TaskError):
        list(spread.in_order(fails, [(TaskError(KeyError("a bug")),)]))
