"""Scores the files that are patches, part by part, and goes on where it was stopped.

A crew computes, in any order; `region_judging` does the same for larger images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis.inference.crews import Crew
from metastasis.inference.finding import Failure, Image
from metastasis.inference.unfinished import State
from metastasis.inference.working import Worker

FILES = 1024  # of a part: they are read before the network runs


@dataclass(frozen=True)
class Patches:
    """The result on files: each patch's logit, the larger images, and what can't be scored."""

    patches: list[Image]
    logits: NDArray[np.float32]  # (len(patches),)
    larger: list[Image]
    failures: list[Failure]


def judge_files(found: list[Image], crew: Crew, state: State) -> Patches:
    """Score the files that are patches.

    Args:
        found: files.
        crew: scores patches.
        state: a row of one logit for each file.

    Raises:
        BrokenNetworkError: a logit is not a number.
    """
    known, is_finished = state.read()
    logits = known[:, 0]
    larger: list[int] = []
    reasons: dict[int, str] = {}
    with bar(len(found), "read", " files") as shown:

        def asked() -> Iterator[tuple[tuple[int, list[int]], tuple[list[Path]]]]:
            for part in range(state.num_parts):
                # A file without a score is opened again: it may be larger, or the reason is asked.
                missing = [n for n in state.rows(part) if np.isnan(logits[n])]
                if is_finished[part]:
                    shown.update(len(state.rows(part)) - len(missing))
                if missing:
                    yield (part, missing), ([found[n].path.absolute() for n in missing],)

        for (part, numbers), batch in crew.as_finished(Worker.judge_batch, asked()):
            for unread in batch.unread.values():
                crew.check(unread)
            logits[numbers] = batch.logits
            if not is_finished[part]:
                state.append(part, batch.logits[:, np.newaxis])
            larger += [numbers[n] for n in batch.larger]
            reasons |= {numbers[n]: unread.reason for n, unread in batch.unread.items()}
            shown.update(len(numbers))
    is_scored = np.isfinite(logits)
    return Patches(
        patches=[found[n] for n in np.flatnonzero(is_scored)],
        logits=logits[is_scored],
        larger=[found[n] for n in sorted(larger)],
        failures=[Failure(found[n].path, reasons[n]) for n in sorted(reasons)],
    )


def bar(total: int, description: str, unit: str) -> "tqdm[NoReturn]":
    """Return a progress bar with the time left, which only a terminal shows."""
    return tqdm(total=total, desc=description, unit=unit, disable=None)
