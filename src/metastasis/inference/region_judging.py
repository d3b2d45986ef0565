"""Scores regions and slides, band by band, and goes on where it was stopped.

A crew computes, in any order; the results come in the order of the images.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metastasis.inference import judging, tiling
from metastasis.inference.crews import Crew
from metastasis.inference.finding import Failure, Image
from metastasis.inference.rasters import Size
from metastasis.inference.tiling import Grid
from metastasis.inference.unfinished import State
from metastasis.inference.working import Shown, Survey, Unread, Worker
from metastasis.patches.shards import UInt8
from metastasis.results.decision import to_probabilities

if TYPE_CHECKING:
    from typing import NoReturn

    from tqdm import tqdm

# Rows of the grid that are a part: they are read, scored and stored together. Enough that two bands
# read few pixels twice, and few enough that a band of a wide slide fits into memory.
BAND = 8

# Of an image, for the rows and columns of its grid and its micrometres per pixel.
StateOf = Callable[[Image, tuple[int, int], float], State]
BandOf = tuple[Path, range, NDArray[np.bool_]]  # the arguments of `Worker.judge_band`


@dataclass(frozen=True)
class Scored:
    """A scored image: the logits of its cells (rows, columns), NaN on glass."""

    size: Size  # of its view
    scale: float  # pixels of the image's largest level that a pixel of the view covers
    grid: Grid
    logits: NDArray[np.float32]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of tumour of each cell, NaN on glass."""
        return to_probabilities(self.logits)


@dataclass(frozen=True)
class Judged:
    """All that the outputs of a region or slide need: nothing else is read from its file."""

    scored: Scored
    um_per_pixel: float
    thumbnail: UInt8


def judge_regions(
    images: list[Image],
    crew: Crew,
    stride: int,
    state_of: StateOf,
    hand_over: Callable[[Image, Judged | Failure], None],
) -> None:
    """Hand over each image with its scores, of every cell whose central square holds tissue.

    It prints what an image is when its turn comes. Images are handed over in their order, each as
    soon as it and those before it are complete, so that few are in memory.

    Raises:
        BrokenNetworkError: a logit is not a number.
    """
    begun: deque[_Begun] = deque()

    def hand_over_ended() -> None:
        while begun and begun[0].has_ended:
            region = begun.popleft()
            region.close()
            hand_over(region.image, region.judged())
            if begun:
                begun[0].announce()

    def asked() -> Iterator[tuple[tuple[_Begun, int], BandOf]]:
        paths = [(each.path.absolute(),) for each in images]
        shown = crew.in_order(Worker.describe, paths)
        surveys = crew.in_order(Worker.survey, paths)
        for image in images:
            region = _Begun(image, crew, next(shown))
            begun.append(region)
            begun[0].announce()
            region.survey(next(surveys), stride, state_of)
            hand_over_ended()  # of an interrupted call, many may be complete
            yield from region.asked()

    for (region, part), logits in crew.as_finished(Worker.judge_band, asked()):
        region.take(part, logits)
        hand_over_ended()


@dataclass(frozen=True)
class _Plan:
    """What has to be scored of an image, and what is scored."""

    survey: Survey
    grid: Grid
    state: State
    logits: NDArray[np.float32]
    is_finished: NDArray[np.bool_]  # by the part
    num_wanted: NDArray[np.int64]  # patches, by the part


class _Begun:
    """An image whose scores aren't complete."""

    def __init__(self, image: Image, crew: Crew, shown: Shown | Unread) -> None:
        self.image = image
        self._crew, self._shown = crew, shown
        self._plan: _Plan | None = None
        self._missing: deque[int] = deque()  # parts that nobody was asked for
        self._num_asked = 0  # parts that aren't there yet
        self._reasons: dict[int, str] = {}  # by the part that failed; -1 is the image as a whole
        self._is_announced = False
        self._bar: tqdm[NoReturn] | None = None
        if isinstance(shown, Unread):
            self._fail(-1, shown)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is computed any more."""
        return not self._missing and not self._num_asked

    def announce(self) -> None:
        """Print what the image is, and show its progress from now on."""
        if self._is_announced:
            return
        self._is_announced = True
        if isinstance(self._shown, Shown):
            for line in _described(self.image, self._shown):
                print(line)
        self._show_progress()

    def survey(self, survey: Survey | Unread, stride: int, state_of: StateOf) -> None:
        """Find out which parts are missing."""
        if isinstance(self._shown, Unread):
            return
        if isinstance(survey, Unread):
            self._fail(-1, survey)
            return
        grid = tiling.lay(self._shown.size, stride)
        size = (grid.rows, grid.columns)
        state = state_of(self.image, size, self._shown.resolution.um_per_pixel)
        num_wanted = np.add.reduceat(survey.wanted.sum(axis=1), np.arange(0, grid.rows, BAND))
        self._plan = _Plan(survey, grid, state, *state.read(), num_wanted)
        self._missing.extend(np.flatnonzero(~self._plan.is_finished).tolist())
        self._show_progress()

    def asked(self) -> "Iterator[tuple[tuple[_Begun, int], BandOf]]":
        """Yield the missing parts, until one of them can't be read."""
        while self._plan and self._missing:
            part = self._missing.popleft()
            self._num_asked += 1
            rows = self._plan.state.rows(part)
            wanted = self._plan.survey.wanted[rows.start : rows.stop]
            yield (self, part), (self.image.path.absolute(), rows, wanted)

    def take(self, part: int, logits: NDArray[np.float32] | Unread) -> None:
        """Store a part."""
        self._num_asked -= 1
        if isinstance(logits, Unread):
            self._fail(part, logits)
        elif self._plan:
            rows = self._plan.state.rows(part)
            self._plan.logits[rows.start : rows.stop] = logits
            self._plan.state.append(part, logits)
            self._plan.is_finished[part] = True
            self._show_progress()

    def close(self) -> None:
        """Close the progress bar."""
        if self._bar is not None:
            self._bar.close()

    def judged(self) -> Judged | Failure:
        """Return the scores, or why there are none: the reason of the first part that failed."""
        if self._reasons or isinstance(self._shown, Unread) or self._plan is None:
            return Failure(self.image.path, self._reasons[min(self._reasons)])
        scored = Scored(self._shown.size, self._shown.scale, self._plan.grid, self._plan.logits)
        return Judged(scored, self._shown.resolution.um_per_pixel, self._plan.survey.thumbnail)

    def _fail(self, part: int, unread: Unread) -> None:
        self._crew.check(unread)
        self._reasons[part] = unread.reason
        self._missing.clear()

    def _show_progress(self) -> None:
        """Show how many patches are scored, once the image is announced and surveyed."""
        if not self._is_announced or self._plan is None:
            return
        if self._bar is None:
            self._bar = judging.bar(int(self._plan.num_wanted.sum()), "score", " patches")
        num_scored = int(self._plan.num_wanted[self._plan.is_finished].sum())
        self._bar.update(num_scored - self._bar.n)


def _described(image: Image, shown: Shown) -> Iterator[str]:
    """Yield what the user has to know of an image before it is scored."""
    (width, height), found = shown.original, shown.resolution
    yield (
        f"{image.path}: {width:,} x {height:,} pixels of {found.um_per_pixel:.4g} um "
        f"({found.origin}), scored as {shown.size.width:,} x {shown.size.height:,} of "
        f"{found.um_per_pixel * shown.scale:.4g} um"
    )
    if found.warning:
        yield f"warning: {image.path}: {found.warning}"
