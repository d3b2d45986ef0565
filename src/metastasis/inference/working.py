"""What a worker does: it opens images and scores their patches, part by part.

It knows no order and stores nothing; `judging` and `region_judging` ask for the parts. A crew
(`crews`) has one worker, in this process, or many on a cluster.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.engines.engines import Engine
from metastasis.formats import images
from metastasis.inference import opening, resolutions, tiling, tissue, views
from metastasis.inference.opening import Region
from metastasis.inference.rasters import Size
from metastasis.inference.resolutions import Resolution
from metastasis.inference.tiling import Cells
from metastasis.inference.views import View
from metastasis.patches import shards

# Patches that a region's engine gets at a time: with `evaluate.tta: d4`, 256 of them take 1.3 GB of
# TensorFlow's memory, 32 take 0.2 GB, with the same bits and at 97 % of the speed.
BATCH = 32

T = TypeVar("T")


class BrokenNetworkError(InputError):
    """The network, and none of the images, is to blame: the whole call fails."""


@dataclass(frozen=True)
class Terms:
    """How the images of a call are shown to the network."""

    size: int  # the side of the square that the network sees
    um_per_pixel: float  # of the network
    stride: int
    mpp: float | None  # micrometres per pixel of larger images; None: what their files say


@dataclass(frozen=True)
class Unread:
    """Why an image can't be scored."""

    path: Path
    reason: str
    is_out_of_reach: bool  # the system gave no access to the file
    node: str  # the machine that tried


@dataclass(frozen=True)
class Batch:
    """What became of some files, by their numbers."""

    logits: NDArray[np.float32]  # (n,), NaN of files that aren't patches
    larger: list[int]
    unread: dict[int, Unread]


@dataclass(frozen=True)
class Shown:
    """How a larger image is shown to the network."""

    original: Size  # of its largest level
    resolution: Resolution
    size: Size  # at the network's resolution
    scale: float  # pixels of the largest level that a pixel covers


@dataclass(frozen=True)
class Survey:
    """What has to be scored of a larger image, and its picture: both need all of its pixels."""

    wanted: NDArray[np.bool_]  # (rows, columns) of the grid: whether the cell holds tissue
    thumbnail: shards.UInt8


class Worker:
    """Scores with one network, and keeps the image open that it was asked for last."""

    def __init__(self, engine: Engine, terms: Terms) -> None:
        """Take the network and how images are shown to it."""
        self._engine, self._terms = engine, terms
        self._inside = shards.centre(shards.PATCH_SIZE, terms.size)
        self._frames = images.Frames()
        self._opened: tuple[Path, Region] | None = None

    def judge_batch(self, paths: Sequence[Path]) -> Batch:
        """Score those files that are patches.

        Raises:
            BrokenNetworkError: a logit is not a number.
        """
        result = Batch(np.full(len(paths), np.nan, np.float32), [], {})
        patches, chosen = [], []
        for number, path in enumerate(paths):
            try:
                patch = opening.patch(path, self._frames)
            except (InputError, OSError) as error:
                result.unread[number] = _unread(path, error)
                continue
            if patch is None:
                result.larger.append(number)
            else:
                patches.append(patch[self._inside, self._inside])
                chosen.append(number)
        if chosen:
            result.logits[chosen] = self._logits(np.stack(patches))
        return result

    def describe(self, path: Path) -> Shown | Unread:
        """Return how a larger image is shown to the network."""
        return self._tried(path, self._describe)

    def survey(self, path: Path) -> Survey | Unread:
        """Return which cells of a larger image show tissue, and its picture."""
        return self._tried(path, self._survey)

    def judge_band(
        self, path: Path, rows: range, wanted: NDArray[np.bool_]
    ) -> NDArray[np.float32] | Unread:
        """Return the logits of some rows of a larger image's grid, NaN where nothing was wanted.

        `wanted` and the logits are (len(rows), columns).

        Raises:
            BrokenNetworkError: a logit is not a number.
        """
        return self._tried(path, lambda region: self._judge_band(region, rows, wanted))

    def close(self) -> None:
        """Close the image that is open."""
        if self._opened is not None:
            self._opened[1].raster.close()
            self._opened = None

    def _tried(self, path: Path, read: Callable[[Region], T]) -> T | Unread:
        """Return what `read` finds in an image, or why the image can't be scored."""
        try:
            if self._opened is None or self._opened[0] != path:
                self.close()
                self._opened = path, opening.region(path)
            return read(self._opened[1])
        except BrokenNetworkError:
            raise
        except (InputError, OSError) as error:
            return _unread(path, error)

    def _describe(self, region: Region) -> Shown:
        resolution, view = self._view(region)
        return Shown(region.raster.sizes[0], resolution, view.size, view.scale)

    def _survey(self, region: Region) -> Survey:
        _, view = self._view(region)
        tiling.require_size(view)
        grid = tiling.lay(view.size, self._terms.stride)
        wanted = tissue.cells(view, grid, tissue.find(view))
        if not wanted.any():
            raise InputError("no tissue found: the image shows only glass")
        return Survey(wanted, views.thumbnail(view))

    def _judge_band(
        self, region: Region, rows: range, wanted: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        _, view = self._view(region)
        grid = tiling.lay(view.size, self._terms.stride)
        whole = np.zeros((grid.rows, grid.columns), bool)
        whole[rows.start : rows.stop] = wanted
        logits = np.full(wanted.shape, np.nan, np.float32)
        for batch, (row, column) in _batches(tiling.cut(view, grid, rows, whole, self._terms.size)):
            logits[row - rows.start, column] = self._logits(batch)
        return logits

    def _view(self, region: Region) -> tuple[Resolution, View]:
        asked, own = self._terms.mpp, self._terms.um_per_pixel
        resolution = resolutions.choose(asked, region.tagged, own)
        return resolution, views.at(region.raster, own / resolution.um_per_pixel)

    def _logits(self, patches: shards.UInt8) -> NDArray[np.float32]:
        """Return the logits, which are numbers: NaN means "not scored" in all that follows."""
        logits = self._engine.logits(patches)
        num_broken = int((~np.isfinite(logits)).sum())
        if num_broken:
            raise BrokenNetworkError(
                f"the network's output is not a number for {num_broken:,} of {len(logits):,} "
                "patches; its weights are broken, or the engine can't compute it. Try --engine "
                "keras, or train the model again."
            )
        return logits


def _unread(path: Path, error: InputError | OSError) -> Unread:
    if isinstance(error, OSError):
        reason = f"it can't be read: {error.strerror or error}"
        return Unread(path, reason, is_out_of_reach=True, node=platform.node())
    return Unread(path, str(error), is_out_of_reach=False, node=platform.node())


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
