"""Defines what a crew of workers does for a call; this one is a single worker in this process.

`spreading` has a crew on a cluster.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from metastasis.inference.working import Unread, Worker

K = TypeVar("K")
R = TypeVar("R")
Arguments = tuple[Any, ...]  # of a worker's method


class Crew(Protocol):
    """Workers that are asked by a method of theirs and its arguments."""

    def in_order(self, method: Callable[..., R], arguments: Iterable[Arguments]) -> Iterator[R]:
        """Yield the answers in the order of the arguments; some are prepared ahead."""
        ...

    def as_finished(
        self, method: Callable[..., R], asked: Iterator[tuple[K, Arguments]]
    ) -> Iterator[tuple[K, R]]:
        """Yield each key with its answer, in any order; what is asked is taken when it is due."""
        ...

    def check(self, unread: Unread) -> None:
        """Raise an InputError if the image, which can't be scored, is not to blame."""
        ...


class Alone:
    """One worker, which answers in order, and only when the next answer is asked for."""

    def __init__(self, worker: Worker) -> None:
        """Take the worker."""
        self.worker = worker

    def in_order(self, method: Callable[..., R], arguments: Iterable[Arguments]) -> Iterator[R]:
        """Yield the answers, as `Crew` says."""
        return (method(self.worker, *each) for each in arguments)

    def as_finished(
        self, method: Callable[..., R], asked: Iterator[tuple[K, Arguments]]
    ) -> Iterator[tuple[K, R]]:
        """Yield each key with its answer, as `Crew` says."""
        return ((key, method(self.worker, *each)) for key, each in asked)

    def check(self, unread: Unread) -> None:
        """Do nothing: what this process can't read is the image's fault."""
