"""Says which part of the work each worker of a training does; one worker does all of it.

`clusters` starts several workers, each on a machine or GPU of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _same(value: Any) -> Any:  # noqa: ANN401  # as it came
    return value


@dataclass(frozen=True)
class Worker:
    """One of `num` workers, which trains on its share of each batch; number 0 is the chief.

    The chief alone validates, prints and writes. `hear` returns the value that the chief passes to
    it, on all workers, which all have to call it.
    """

    index: int = 0
    num: int = 1
    hear: Callable[[Any], Any] = _same

    @property
    def is_chief(self) -> bool:
        """Whether this worker validates, prints and writes."""
        return self.index == 0

    def share(self, batch_size: int) -> slice:
        """Return which of the rows of a batch are its own; `num` divides `batch_size`."""
        size = batch_size // self.num
        return slice(self.index * size, (self.index + 1) * size)


ALONE = Worker()
