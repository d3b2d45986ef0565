"""Draw a pyramidal slide with known tumour, score it by `metastasis predict`, and measure that.

usage: python benchmarks/slide.py MODEL_FOLDER [--side 20000] [--stride 32] [--engine keras]
       [--ray ADDRESS]

It prints time, patches, peak memory of the command's own process, the AUC of the heat map against
the known tumour, and whether the GeoJSON is valid. The slide and the results stay in --folder.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import shapely
import tifffile
from numpy.typing import NDArray
from shapely.geometry import shape
from sklearn import metrics
from tqdm import tqdm

from metastasis.demo import rendering, specimens, tissue
from metastasis.demo.specimens import Region
from metastasis.demo.textures import FIELD, MARGIN, SIDE

OVERLAP = 24  # pixels that neighbouring fields share; they are joined along a cut in it
STEP = FIELD - OVERLAP
COARSE = 16  # pixels of the slide to one of the maps of tissue and tumour
REDUCED = 8  # pixels to one of the stored tumour mask
CENTRE = 32
RIM = 0.02  # of the slide's side: tumour keeps this far from the tissue's edge
TILE = 256
FACTORS = (1, 4, 16)  # of the levels, as scanners write them
UM_PER_PIXEL = 0.972
UM_PER_CM = 10_000
PER_CM = 3  # of the tag ResolutionUnit
UINT8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Plan:
    """What lies where, (side / 16, side / 16) each: smooth maps that the fields interpolate."""

    body: NDArray[np.float32]  # above 0 tissue, below glass
    kinds: tuple[tuple[Region, NDArray[np.float32]], ...]  # above 0 this kind; later ones win
    nest: NDArray[np.float32]  # depth within the tumour's outline, in pixels of the slide


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--stride", type=int, default=32)
    parser.add_argument("--engine", default="keras")
    parser.add_argument("--ray")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("slide-benchmark"))
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    slide = asked.folder / f"drawn-{asked.side}-{asked.seed}.tif"
    truth = slide.with_suffix(".npy")
    if not truth.exists():
        # In a process of its own: Linux counts the memory of a process towards the peak of those
        # that it starts, and a drawn slide takes more than a scored one.
        drawing = multiprocessing.get_context("spawn").Process(
            target=draw, args=(slide, truth, asked.side, asked.seed)
        )
        drawing.start()
        drawing.join()
        if drawing.exitcode:
            sys.exit("the slide couldn't be drawn; see above")
    way = f"{asked.engine}-ray" if asked.ray else asked.engine
    output = asked.folder / f"results-{asked.side}-{asked.stride}-{way}"
    command = [
        sys.executable, "-m", "metastasis", "predict", str(slide), "--model", str(asked.model),
        "--output", str(output), "--stride", str(asked.stride), "--engine", asked.engine,
    ]  # fmt: skip
    command += ["--ray", asked.ray] if asked.ray else []
    start = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, os.environ)
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"the command ended with exit code {code}")
    report(output / slide.stem, np.load(truth), asked.stride)
    kilobytes = used.ru_maxrss if sys.platform != "darwin" else used.ru_maxrss / 1024
    print(f"{seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} CPU s")
    print(f"peak memory of the process: {kilobytes / 1e6 * 1.024:.2f} GB")


def report(results: Path, truth: NDArray[np.bool_], stride: int) -> None:
    """Print how the heat map agrees with the known tumour, and whether the outlines are valid."""
    heat = tifffile.imread(results.with_suffix(".ome.tiff"))
    labels = central(truth, stride, heat.shape)
    is_scored = np.isfinite(heat)
    auc = metrics.roc_auc_score(labels[is_scored], heat[is_scored])
    print(f"{is_scored.sum():,} patches scored of {heat.size:,} cells")
    print(
        f"{(labels & is_scored).sum() / labels.sum():.2%} of {labels.sum():,} tumour cells scored"
    )
    print(f"AUC of the heat map {auc:.4f}")
    features = json.loads(results.with_suffix(".geojson").read_text())["features"]
    outlines = [shape(each["geometry"]) for each in features]
    area = sum(each.area for each in outlines)
    is_valid = all(each.is_valid for each in outlines)
    shared = area - shapely.union_all(outlines).area
    print(f"{len(outlines)} outlines, valid: {is_valid}, shared area: {shared:g} pixels")


def central(truth: NDArray[np.bool_], stride: int, cells: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return whether each cell's central square holds tumour, from the reduced mask."""
    first, size = (stride - CENTRE) // 2 // REDUCED, CENTRE // REDUCED
    rows, columns = (np.arange(count) * (stride // REDUCED) + first for count in cells)
    labels = np.zeros(cells, bool)
    for down in range(size):
        for right in range(size):
            labels |= truth[np.ix_(rows + down, columns + right)]
    return labels


def draw(path: Path, truth_path: Path, side: int, seed: int) -> None:
    """Write the slide as a tiled pyramid, and where the tumour lies."""
    canvas_path = path.with_suffix(".canvas.npy")
    canvas = np.lib.format.open_memmap(
        canvas_path, mode="w+", dtype=np.uint8, shape=(side, side, 3)
    )
    mask = np.zeros((side // REDUCED, side // REDUCED), bool)
    rng = np.random.default_rng(seed)
    specimen = specimens.sample(rng)
    look = replace(rendering.sample_look(rng), unevenness=0.0)  # no steps between fields
    plan = make_plan(side, rng)
    for row in tqdm(range(0, side, STEP), desc="draw", unit=" rows of fields"):
        for column in range(0, side, STEP):
            field_rng = np.random.default_rng((seed, row, column))
            field, nest = draw_field(plan, specimen, look, (row, column), field_rng)
            join(canvas, field, row, column)
            mark(mask, nest > 0, row, column)
    write_pyramid(path, canvas)
    canvas_path.unlink()
    np.save(truth_path, mask)


def make_plan(side: int, rng: np.random.Generator) -> Plan:
    """Return a node of lymphoid tissue with stroma, sinuses, fat, follicles and metastases."""
    size = -(-side // COARSE) + SIDE // COARSE + 2
    down, right = np.indices((size, size), dtype=np.float32) / np.float32(size) - np.float32(0.5)
    body = 0.40 - np.hypot(down, right * 1.15) + 0.05 * smooth(size, size / 8, rng)
    stroma, sinus = smooth(size, 25, rng) - 1.25, smooth(size, 14, rng) - 1.45
    fat = 0.06 - np.abs(body - 0.03) + 0.02 * smooth(size, 30, rng) - 0.03
    follicles = smooth(size, 9, rng) - 2.1
    tumour = np.maximum(smooth(size, 30, rng) - 1.35, 0.6 * (smooth(size, 5, rng) - 2.6))
    is_tumour = ((tumour > 0) & (body > RIM)).astype(np.uint8)
    inside, outside = (
        cv2.distanceTransform(each, cv2.DIST_L2, 5) for each in (is_tumour, 1 - is_tumour)
    )
    kinds = (
        (Region.FAT, fat),
        (Region.SINUS, sinus),
        (Region.STROMA, stroma),
        (Region.FOLLICLE, follicles),
    )
    as_float = tuple((kind, each.astype(np.float32)) for kind, each in kinds)
    return Plan(body.astype(np.float32), as_float, (inside - outside) * np.float32(COARSE))


def smooth(size: int, grain: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return smooth noise with mean 0 and deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal((size, size)).astype(np.float32), (0, 0), grain)
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def draw_field(
    plan: Plan,
    specimen: specimens.Slide,
    look: rendering.Look,
    corner: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[UINT8, NDArray[np.float64]]:
    """Return the pixels (128, 128, 3) of the field at a corner, and its tumour's depth."""

    def window(values: NDArray[np.float32]) -> NDArray[np.float64]:
        down, right = ((start - MARGIN + 0.5) / COARSE - 0.5 for start in corner)
        place = np.array([[1 / COARSE, 0, right], [0, 1 / COARSE, down]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shown = cv2.warpAffine(
            values, place, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(shown, np.float64)

    body, nest = window(plan.body), window(plan.nest)
    regions = np.full((SIDE, SIDE), Region.LYMPHOID, np.uint8)
    for kind, values in plan.kinds:
        regions[window(values) > 0] = kind
    regions[body <= 0] = Region.GLASS
    nest[body <= 0] = np.minimum(nest[body <= 0], -1)
    regions[nest > 0] = Region.TUMOUR
    stains = tissue.stain(specimen, regions, nest, rng)
    return rendering.render(stains, look, rng), nest[MARGIN:-MARGIN, MARGIN:-MARGIN]


def join(canvas: UINT8, field: UINT8, row: int, column: int) -> None:
    """Put a field onto the canvas, cut where it differs least from what is there.

    Efros and Freeman 2001, "Image quilting for texture synthesis and transfer".
    """
    height, width = (min(FIELD, canvas.shape[0] - start) for start in (row, column))
    there = canvas[row : row + height, column : column + width]
    new = field[:height, :width]
    error = np.square(there.astype(np.float32) - new).sum(axis=2)
    is_new = np.ones((height, width), bool)
    if column and width > OVERLAP:
        is_new[:, :OVERLAP] &= beyond_cut(error[:, :OVERLAP])
    if row and height > OVERLAP:
        is_new[:OVERLAP] &= beyond_cut(error[:OVERLAP].T).T
    if (column and width <= OVERLAP) or (row and height <= OVERLAP):
        return  # the neighbour covers it
    weight = cv2.GaussianBlur(is_new.astype(np.float32), (3, 3), 0.7)[:, :, np.newaxis]
    there[...] = np.rint(there + weight * (new.astype(np.float32) - there)).astype(np.uint8)


def beyond_cut(error: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which pixels lie right of the cheapest path from top to bottom."""
    cost = error.copy()
    for row in range(1, len(cost)):
        above = np.pad(cost[row - 1], 1, constant_values=np.inf)
        cost[row] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    is_beyond = np.zeros(error.shape, bool)
    place = int(cost[-1].argmin())
    for row in range(len(cost) - 1, -1, -1):
        low = max(place - 1, 0)
        if row < len(cost) - 1:
            place = low + int(cost[row, low : place + 2].argmin())
        is_beyond[row, place + 1 :] = True
    return is_beyond


def mark(mask: NDArray[np.bool_], is_tumour: NDArray[np.bool_], row: int, column: int) -> None:
    """Note which squares of the mask hold tumour; fields start at multiples of its pixels."""
    squares = is_tumour.reshape(FIELD // REDUCED, REDUCED, FIELD // REDUCED, REDUCED)
    down, right = row // REDUCED, column // REDUCED
    there = mask[down : down + FIELD // REDUCED, right : right + FIELD // REDUCED]
    found = np.asarray(squares.any(axis=(1, 3)))
    there |= found[: there.shape[0], : there.shape[1]]


def write_pyramid(path: Path, canvas: UINT8) -> None:
    """Write a tiled TIFF with smaller levels, as OpenSlide's generic TIFF wants it."""
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for factor in FACTORS:
            side = len(canvas) // factor
            per_cm = UM_PER_CM / (UM_PER_PIXEL * factor)
            writer.write(
                tiles(canvas, factor),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="deflate",
                compressionargs={"level": 1},
                subfiletype=0 if factor == 1 else 1,
                resolution=(per_cm, per_cm),
                resolutionunit=PER_CM,
                metadata=None,
            )


def tiles(canvas: UINT8, factor: int) -> Iterator[UINT8]:
    """Yield the tiles of a level, row by row; the last ones are filled up with glass."""
    side = len(canvas) // factor
    for row in range(0, side, TILE):
        for column in range(0, side, TILE):
            height, width = (min(TILE, side - start) for start in (row, column))
            source = canvas[
                row * factor : (row + height) * factor, column * factor : (column + width) * factor
            ]
            tile = np.full((TILE, TILE, 3), 255, np.uint8)
            tile[:height, :width] = cv2.resize(
                source, (width, height), interpolation=cv2.INTER_AREA
            )
            yield tile


if __name__ == "__main__":
    main()
