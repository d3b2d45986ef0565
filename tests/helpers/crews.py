"""An engine whose logits are known, and crews that work as a cluster does, in this process."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from metastasis.inference.crews import Alone, Arguments
from metastasis.inference.working import Terms, Unread, Worker

K = TypeVar("K")
R = TypeVar("R")


class Middle:
    """An engine: a patch's logit is the red value of its middle pixel."""

    def __init__(self, most: int = 10**9) -> None:
        self.num_scored = 0
        self.most = most  # patches until the process is "killed"
        self.largest = 0

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score the patches, or stop as by Ctrl-C."""
        if self.num_scored + len(patches) > self.most:
            raise KeyboardInterrupt
        self.num_scored += len(patches)
        self.largest = max(self.largest, len(patches))
        size = patches.shape[1]
        return patches[:, size // 2, size // 2, 0].astype(np.float32)


def worker(engine: Middle, size: int = 96, stride: int = 32) -> Worker:
    """Return a worker for images of the network's own resolution."""
    return Worker(engine, Terms(size, um_per_pixel=1.0, stride=stride, mpp=1.0))


def alone(engine: Middle, size: int = 96, stride: int = 32) -> Alone:
    """Return the crew of the local path."""
    return Alone(worker(engine, size, stride))


class Shuffled:
    """A crew with several parts under way, which it finishes in an order that chance decides."""

    def __init__(self, worker: Worker, seed: int, num_under_way: int) -> None:
        self.worker, self._random = worker, np.random.default_rng(seed)
        self._num_under_way = num_under_way
        self.checked: list[Unread] = []

    def in_order(self, method: Callable[..., R], arguments: Iterable[Arguments]) -> Iterator[R]:
        """Yield the answers, some ahead."""
        left = iter(arguments)
        while answers := [method(self.worker, *each) for each in itertools.islice(left, 3)]:
            yield from answers

    def as_finished(
        self, method: Callable[..., R], asked: Iterator[tuple[K, Arguments]]
    ) -> Iterator[tuple[K, R]]:
        """Yield a part at random among those that are under way."""
        under_way: list[tuple[K, Any]] = []
        while True:
            under_way += itertools.islice(asked, self._num_under_way - len(under_way))
            if not under_way:
                return
            key, arguments = under_way.pop(int(self._random.integers(len(under_way))))
            yield key, method(self.worker, *arguments)

    def check(self, unread: Unread) -> None:
        """Keep it."""
        self.checked.append(unread)
