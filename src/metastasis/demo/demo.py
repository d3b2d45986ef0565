"""Writes the demo source: drawn patches of made-up slides in Kaggle's layout, with ground truth.

`demo.tissue` and `demo.rendering` draw the patches.
"""

import hashlib
import itertools
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from metastasis.base import chance, files
from metastasis.base.errors import InputError
from metastasis.demo import rendering, specimens, tissue
from metastasis.demo.demo_params import DemoParams
from metastasis.demo.textures import FIELD, SIZE, STEP
from metastasis.results import provenance

POSITIVE_SHARE = 0.405  # of all patches, as in Kaggle's training set
TUMOUR_FREE_SHARE = 1 / 3  # of the slides
NEAR_TUMOUR_SHARE = 0.75  # of a tumour slide's negatives, which show tumour outside the centre
# How often a patch is cut beside the one before, so that the two overlap. Kaggle's patches overlap
# mostly where there is tumour.
BESIDE_SHARES = {True: 0.2, False: 0.04}
CENTRE = slice(32, 64)  # rows and columns of a patch that decide its label
DRAWN = provenance.Provenance(name="the project's demo", is_drawn=True)
BATCH = 64  # patches that a worker draws at a time


@dataclass(frozen=True)
class _Slide:
    """One slide's share of the work."""

    name: str
    pool: str  # the folder its patches go to: train or test
    seed: int
    key: tuple[int, int]  # pool and slide: with the seed, they determine the random draws
    num_positive: int
    num_negative: int


@dataclass(frozen=True)
class _Batch:
    """Patches `start` to `stop` of one slide."""

    slide: _Slide
    start: int
    stop: int


@dataclass(frozen=True)
class _Drawn:
    """The facts to record of one batch after its images are written."""

    batch: _Batch
    ids: list[str]
    labels: list[int]
    masks: NDArray[np.uint8]  # (n, 96, 12), 8 pixels per byte


class _Field:
    """A drawn field, and the places in it from which no patch has been cut."""

    MIDDLE = (STEP, STEP)  # the corner, row and column, of the patch in the field's middle

    def __init__(self, pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        self._pixels, self._mask = pixels, mask
        steps = range(0, FIELD - SIZE + 1, STEP)
        self._free = [corner for corner in itertools.product(steps, steps) if corner != self.MIDDLE]

    def beside(self, rng: np.random.Generator, *, is_positive: bool) -> tuple[int, int] | None:
        """Take a free place, drawn at random, whose patch has the wanted label, if there is one."""
        fitting = [
            corner
            for corner in self._free
            if self.cut(corner)[1][CENTRE, CENTRE].any() == is_positive
        ]
        if not fitting:
            return None
        chosen = fitting[rng.integers(len(fitting))]
        self._free.remove(chosen)
        return chosen

    def cut(self, corner: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the patch at `corner`, (96, 96, 3) uint8 RGB, and its mask, (96, 96) bool."""
        down, right = (slice(start, start + SIZE) for start in corner)
        return self._pixels[down, right], self._mask[down, right]


def draw(params: DemoParams, source: Path, truth: Path, *, num_workers: int | None = None) -> None:
    """Write the demo source, and separately the ground truth, which the pipeline mustn't see.

    `source` gets `train/ID.tif`, `test/ID.tif`, `train_labels.csv`, `sample_submission.csv`,
    `slides.csv` (the labelled patches' slides), and a file that states that the patches are drawn.
    An id is the SHA-1 of the patch's RGB bytes.
    `truth` gets `masks.npy`, (n, 96, 12) uint8: the tumour masks of all patches, 8 pixels per byte
    (`np.unpackbits`); `masks.csv`, which names its rows; and `test_labels.csv`. The tables are
    written last, so that a source with tables is complete. The same params give the same bytes,
    whatever the number of worker processes (by default one per core).

    Raises:
        InputError: two patches have the same pixels.
    """
    batches = list(_batches(_slides(params)))
    for folder in (source / "train", source / "test", truth):
        folder.mkdir(parents=True, exist_ok=True)
    num_patches = params.num_patches + params.num_test_patches
    masks = np.lib.format.open_memmap(
        truth / "masks.npy", mode="w+", dtype=np.uint8, shape=(num_patches, SIZE, 12)
    )
    rows: list[tuple[str, str, str, int]] = []
    with tqdm(total=num_patches, desc="demo", unit="patch", disable=None) as progress:
        for drawn in _drawn(batches, source, num_workers or os.cpu_count() or 1):
            masks[len(rows) : len(rows) + len(drawn.ids)] = drawn.masks
            slide = drawn.batch.slide
            rows.extend(
                (id_, slide.pool, slide.name, label)
                for id_, label in zip(drawn.ids, drawn.labels, strict=True)
            )
            progress.update(len(drawn.ids))
    masks.flush()
    _write_tables(pd.DataFrame(rows, columns=["id", "pool", "slide", "label"]), source, truth)


def _write_tables(patches: pd.DataFrame, source: Path, truth: Path) -> None:
    alike = patches["id"][patches["id"].duplicated()]
    if len(alike):
        raise InputError(
            f"{len(alike)} of {len(patches)} drawn patches repeat another's pixels (first: "
            f"{alike.iloc[0]}); change demo.seed."
        )
    files.write_csv(truth / "masks.csv", patches[["id", "pool", "slide"]])
    ordered = patches.sort_values("id")
    labelled = ordered[ordered["pool"] == "train"]
    test = ordered[ordered["pool"] == "test"]
    files.write_csv(truth / "test_labels.csv", test[["id", "label"]])
    files.write_csv(source / "slides.csv", labelled[["id", "slide"]])
    files.write_csv(source / "sample_submission.csv", test[["id"]].assign(label=0))
    provenance.write(source / provenance.SOURCE_NAME, DRAWN)
    files.write_csv(source / "train_labels.csv", labelled[["id", "label"]])


def _slides(params: DemoParams) -> list[_Slide]:
    """Distribute the patches over slides of unequal size, a third of them without tumour."""
    labelled = _pool("train", params.seed, params.num_slides, params.num_patches)
    return labelled + _pool("test", params.seed, params.num_test_slides, params.num_test_patches)


def _pool(pool: str, seed: int, num_slides: int, num_patches: int) -> list[_Slide]:
    part = 0 if pool == "train" else 1
    rng = chance.generator(seed, part)
    sizes = 1 + _apportion(num_patches - num_slides, np.exp(rng.normal(0, 0.5, num_slides)))
    # The largest third all have tumour: otherwise few slides could lack room for the positives.
    num_free = round(num_slides * TUMOUR_FREE_SHARE)
    smaller = np.argsort(sizes, kind="stable")[: num_slides - num_free]
    free = rng.choice(smaller, num_free, replace=False)
    appetite = rng.uniform(0.25, 1.0, num_slides)
    appetite[free] = 0
    positive = _fill(round(num_patches * POSITIVE_SHARE), sizes, appetite)
    return [
        _Slide(f"{pool}_{index:03d}", pool, seed, (part, index), int(wanted), int(size - wanted))
        for index, (size, wanted) in enumerate(zip(sizes, positive, strict=True))
    ]


def _fill(total: int, sizes: NDArray[np.int64], appetite: NDArray[np.float64]) -> NDArray[np.int64]:
    """Distribute `total` by size and appetite; no slide gets more than 95 % of its patches."""
    most = np.where(appetite > 0, np.maximum(1, np.floor(0.95 * sizes)), 0).astype(np.int64)
    shares = np.zeros(len(sizes), np.int64)
    while (left := min(total, int(most.sum())) - int(shares.sum())) > 0:
        shares = np.minimum(shares + _apportion(left, (most > shares) * sizes * appetite), most)
    return shares


def _apportion(total: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Distribute `total` in whole numbers in proportion to `weights` (largest remainders)."""
    exact = total * weights / weights.sum()
    whole: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    largest = np.argsort(whole - exact, kind="stable")[: total - int(whole.sum())]
    whole[largest] += 1
    return whole


def _batches(slides: list[_Slide]) -> Iterator[_Batch]:
    for slide in slides:
        size = slide.num_positive + slide.num_negative
        for start in range(0, size, BATCH):
            yield _Batch(slide, start, min(start + BATCH, size))


def _drawn(batches: list[_Batch], source: Path, num_workers: int) -> Iterator[_Drawn]:
    """Draw the batches and yield them in their order."""
    num_workers = min(num_workers, len(batches))
    if num_workers == 1:
        yield from map(_draw_batch, batches, itertools.repeat(source))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, context, cv2.setNumThreads, (1,)) as executor:
        yield from executor.map(_draw_batch, batches, itertools.repeat(source))


def _draw_batch(batch: _Batch, source: Path) -> _Drawn:
    """Draw one batch's patches and write their images."""
    slide = batch.slide
    rng = chance.generator(slide.seed, *slide.key)
    specimen, look = specimens.sample(rng), rendering.sample_look(rng)
    # In random order, so that patches beside each other may differ in their labels.
    wanted = rng.permutation(slide.num_positive + slide.num_negative) < slide.num_positive
    contents, labels, masks = [], [], []
    field = None
    for index in range(batch.start, batch.stop):
        is_positive = bool(wanted[index])
        rng = chance.generator(slide.seed, *slide.key, index)
        corner = None
        if field and rng.random() < BESIDE_SHARES[is_positive]:
            corner = field.beside(rng, is_positive=is_positive)
        if field is None or corner is None:
            has_tumour = is_positive or (
                slide.num_positive > 0 and rng.random() < NEAR_TUMOUR_SHARE
            )
            stains, mask = tissue.draw(
                specimen, is_positive=is_positive, has_tumour=has_tumour, rng=rng
            )
            field, corner = _Field(rendering.render(stains, look, rng), mask), _Field.MIDDLE
        pixels, mask = field.cut(corner)
        contents.append(pixels.tobytes())
        labels.append(int(mask[CENTRE, CENTRE].any()))
        masks.append(np.packbits(mask, axis=-1))
    ids = _write_images(source / slide.pool, contents)
    return _Drawn(batch, ids, labels, np.stack(masks))


def _write_images(folder: Path, contents: list[bytes]) -> list[str]:
    """Write the patches' RGB bytes as TIFFs and return their ids.

    They are written together, since a file system creates several files in a row faster.
    """
    before, after = _tiff_frame()
    ids = [hashlib.sha1(pixels, usedforsecurity=False).hexdigest() for pixels in contents]
    for id_, pixels in zip(ids, contents, strict=True):
        (folder / f"{id_}.tif").write_bytes(before + pixels + after)
    return ids


def _tiff_frame() -> tuple[bytes, bytes]:
    """Return the bytes before and after the pixels, which are the same in every patch's TIFF.

    Uncompressed images of one size differ only in their pixels, so that each needs no encoding.
    """
    blank = np.full((SIZE, SIZE, 3), 255, np.uint8)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_NONE]
    _, encoded = cv2.imencode(".tif", blank, options)
    before, _, after = encoded.tobytes().partition(blank.tobytes())
    return before, after
