"""Scores the patches of files and of regions by an engine, and goes on where it was stopped."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis.base.errors import InputError
from metastasis.engines.engines import Engine
from metastasis.formats import images
from metastasis.inference import opening, tiling, tissue
from metastasis.inference.finding import Failure, Image
from metastasis.inference.tiling import Cells, Grid
from metastasis.inference.unfinished import State
from metastasis.inference.views import View
from metastasis.patches import shards
from metastasis.results.decision import to_probabilities

FILES = 1024  # that are read before the network runs
# Patches that a region's engine gets at a time: with `evaluate.tta: d4`, 256 of them take 1.3 GB of
# TensorFlow's memory, 32 take 0.2 GB, with the same bits and at 97 % of the speed.
BATCH = 32
# Rows of the grid that are read, scored and stored together: enough that two bands read few pixels
# twice, and few enough that a band of a wide slide fits into memory.
BAND = 8


class BrokenNetworkError(InputError):
    """The network, and none of the images, is to blame: the whole call fails."""


@dataclass(frozen=True)
class Patches:
    """The result on files: each patch's logit, the larger images, and what can't be scored."""

    patches: list[Image]
    logits: NDArray[np.float32]  # (len(patches),)
    larger: list[Image]
    failures: list[Failure]


@dataclass(frozen=True)
class Scored:
    """A scored view: the logits of its cells (rows, columns), NaN on glass."""

    view: View
    grid: Grid
    logits: NDArray[np.float32]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of tumour of each cell, NaN on glass."""
        return to_probabilities(self.logits)


def judge_files(found: list[Image], engine: Engine, size: int, state: State) -> Patches:
    """Score the files that are patches.

    Args:
        found: files.
        engine: scores patches.
        size: the side of the square that the network sees.
        state: a row of one logit for each file.

    Raises:
        BrokenNetworkError: a logit is not a number.
    """
    inside = shards.centre(shards.PATCH_SIZE, size)
    known = state.read(FILES)[:, 0]
    frames = images.Frames()
    result = Patches([], np.empty(0, np.float32), [], [])
    logits = []
    with _bar(len(found), "read", " files") as bar:
        for start in range(0, len(found), FILES):
            batch = found[start : start + FILES]
            scores = known[start : start + FILES].copy()
            # A file without a score is opened again: it may be larger, or the reason is asked for.
            is_new = not len(scores)
            unscored = [n for n in range(len(batch)) if is_new or np.isnan(scores[n])]
            pixels = _open([batch[n] for n in unscored], result, frames)
            if is_new:
                scores = np.full(len(batch), np.nan, np.float32)
                chosen = [n for n, patch in zip(unscored, pixels, strict=True) if patch is not None]
                if chosen:
                    patches = [patch[inside, inside] for patch in pixels if patch is not None]
                    scores[chosen] = _logits(engine, np.stack(patches))
                state.append(scores[:, np.newaxis])
            is_scored = np.isfinite(scores)
            result.patches.extend(itertools.compress(batch, is_scored))
            logits.append(scores[is_scored])
            bar.update(len(batch))
    return replace(result, logits=np.concatenate([result.logits, *logits]))


def _open(batch: list[Image], result: Patches, frames: images.Frames) -> list[shards.UInt8 | None]:
    """Return the pixels of each patch; add larger images and failures to the result."""
    opened = []
    for image in batch:
        patch = None
        try:
            patch = opening.patch(image.path, frames)
            if patch is None:
                result.larger.append(image)
        except (InputError, OSError) as error:
            result.failures.append(Failure(image.path, reason(error)))
        opened.append(patch)
    return opened


def judge_view(
    view: View,
    stride: int,
    engine: Engine,
    size: int,
    state_of: Callable[[int], State],
) -> Scored:
    """Score every cell of a view whose central square holds tissue.

    `state_of` returns the state for rows of a number of columns.

    Raises:
        InputError: the view is smaller than a patch or than a cell, shows no tissue, or its file is
            damaged.
        BrokenNetworkError: a logit is not a number.
    """
    tiling.require_size(view)
    grid = tiling.lay(view.size, stride)
    wanted = tissue.cells(view, grid, tissue.find(view))
    if not wanted.any():
        raise InputError("no tissue found: the image shows only glass")
    state = state_of(grid.columns)
    logits = np.full((grid.rows, grid.columns), np.nan, np.float32)
    known = state.read(BAND)
    logits[: len(known)] = known
    with _bar(int(wanted.sum()), "score", " patches") as bar:
        bar.update(int(wanted[: len(known)].sum()))
        for start in range(len(known), grid.rows, BAND):
            rows = range(start, min(start + BAND, grid.rows))
            for batch, cells in _batches(tiling.cut(view, grid, rows, wanted, size)):
                logits[cells] = _logits(engine, batch)
                bar.update(len(batch))
            state.append(logits[rows.start : rows.stop])
    return Scored(view, grid, logits)


def _logits(engine: Engine, patches: shards.UInt8) -> NDArray[np.float32]:
    """Return the logits, which are numbers: NaN means "not scored" in all that follows."""
    logits = engine.logits(patches)
    num_broken = int((~np.isfinite(logits)).sum())
    if num_broken:
        raise BrokenNetworkError(
            f"the network's output is not a number for {num_broken:,} of {len(logits):,} patches; "
            "its weights are broken, or the engine can't compute it. Try --engine keras, or train "
            "the model again."
        )
    return logits


def reason(error: InputError | OSError) -> str:
    """Return why a file can't be scored."""
    if isinstance(error, OSError):
        return f"it can't be read: {error.strerror or error}"
    return str(error)


def _batches(
    rows: Iterable[tuple[shards.UInt8, Cells]],
) -> Iterator[tuple[shards.UInt8, Cells]]:
    """Divide the patches of rows, and their cells, into batches; only the last isn't full."""
    patches = np.empty((0,), np.uint8)
    row = column = np.empty(0, np.intp)
    for more, cells in rows:
        patches = np.concatenate([patches, more]) if len(patches) else more
        row, column = (np.concatenate(each) for each in zip((row, column), cells, strict=True))
        while len(patches) >= BATCH:
            yield patches[:BATCH], (row[:BATCH], column[:BATCH])
            patches, row, column = patches[BATCH:], row[BATCH:], column[BATCH:]
    if len(patches):
        yield patches, (row, column)


def _bar(total: int, description: str, unit: str) -> "tqdm[NoReturn]":
    """Return a progress bar with the time left, which only a terminal shows."""
    return tqdm(total=total, desc=description, unit=unit, disable=None)
