"""Composes lymph-node tissue as stain densities, and the tumour mask.

`demo.specimens` makes slides differ, `demo.cells` draws the nuclei and `demo.rendering` turns
the stains into the scanner's colours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from metastasis.demo import cells
from metastasis.demo.specimens import HOSTS, Region, Slide
from metastasis.demo.textures import (
    COLUMNS,
    MARGIN,
    MIDDLE,
    ROWS,
    SIDE,
    FloatArray,
    as_float,
    fibres,
    lattice,
    noise,
    ramp,
)

HALF_CENTRE = 16  # pixels; the centre's rows and columns decide the label
DEPOSIT_SHARE = 0.25  # of the positives: tumour in the centre and hardly any around it
ISLAND_SHARE = 0.6  # of the negatives near tumour: a healthy island surrounded by it
LEAST_DEPTH = 2.0  # pixels; a thinner sliver of tumour has no room for a nucleus

_CENTRE = slice(SIDE // 2 - HALF_CENTRE, SIDE // 2 + HALF_CENTRE)


@dataclass(frozen=True)
class Stains:
    """The optical densities of one field with its margin, (140, 140) float64 each."""

    haematoxylin: FloatArray
    eosin: FloatArray


@dataclass(frozen=True)
class _Scene:
    """The properties that all regions of a field share."""

    flow: float  # the direction of its fibres, radians
    grain: FloatArray  # (140, 140) float64, the finest noise
    broad: (
        FloatArray  # (140, 140) float64, noise that changes from one part of the field to another
    )


def draw(
    slide: Slide, *, is_positive: bool, has_tumour: bool, rng: np.random.Generator
) -> tuple[Stains, NDArray[np.bool_]]:
    """Return a field's stains and its tumour mask, (128, 128) bool.

    A tumour pixel is a pixel of a tumour nest: nuclei, cytoplasm and the gaps between its cells.
    `is_positive` says whether the central 32x32 holds one. A field that is not positive but
    `has_tumour` shows tumour only outside the centre.
    """
    regions = _hosts(slide, rng)
    if rng.random() < slide.follicles:
        level = _blob(_near_middle(MIDDLE, rng), slide.nest_radius * 1.2, slide.ruggedness, rng)
        regions[(level > 0) & (regions >= Region.SINUS)] = Region.FOLLICLE
    nest = np.full((SIDE, SIDE), -np.inf, np.float64)
    if has_tumour:
        nest = _nest(slide, is_positive=is_positive, rng=rng)
        regions[nest > 0] = Region.TUMOUR
    stains = stain(slide, regions, nest, rng)
    mask = nest[MARGIN:-MARGIN, MARGIN:-MARGIN] > 0
    return stains, mask


def stain(
    slide: Slide, regions: NDArray[np.uint8], nest: FloatArray, rng: np.random.Generator
) -> Stains:
    """Return the stains of a field whose tissue is given: what `draw` chooses at random.

    Args:
        slide: the tissue's properties.
        regions: (140, 140), the `Region` of each pixel.
        nest: (140, 140), each pixel's depth within the tumour's outline; negative outside.
        rng: places cells and textures.
    """
    scene = _Scene(rng.uniform(0, np.pi), noise(2.2, rng), noise(18, rng))
    haematoxylin = np.zeros((SIDE, SIDE), np.float64)
    eosin = np.zeros((SIDE, SIDE), np.float64)
    grown = []
    for region in map(Region, np.flatnonzero(np.bincount(regions.ravel())).tolist()):
        where = regions == np.uint8(region)
        ground = _GROUNDS[region](slide, scene, rng)
        np.copyto(haematoxylin, ground.haematoxylin, where=where)
        np.copyto(eosin, ground.eosin, where=where)
        if region in slide.kinds:
            grown.append(_populate(slide, region, regions, nest, flow=scene.flow, rng=rng))
    haematoxylin = as_float(cv2.GaussianBlur(haematoxylin, (3, 3), 0.8))
    eosin = as_float(cv2.GaussianBlur(eosin, (3, 3), 0.8))
    population = np.concatenate(grown, dtype=cells.CELL) if grown else np.empty(0, cells.CELL)
    nuclei = cells.draw(population, scene.grain[::-1, ::-1])
    eosin *= 1 - 0.6 * np.minimum(nuclei, 1)
    return Stains(haematoxylin + nuclei, eosin)


def _hosts(slide: Slide, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Place two kinds of tissue on either side of a wavy line, which may miss the patch."""
    # Generator.choice does the same, but its checks take far longer than the choice.
    first, second = np.searchsorted(slide.hosts[:-1].cumsum(), rng.random(2), side="right")
    slope = noise(40, rng) * 0.6 + ramp(rng.uniform(0, 2 * np.pi)) / 30
    beyond = slope > rng.normal(0, 1.6)
    return np.where(beyond, np.uint8(HOSTS[second]), np.uint8(HOSTS[first]))


def _nest(slide: Slide, *, is_positive: bool, rng: np.random.Generator) -> FloatArray:
    """Return each pixel's depth within the tumour's outline, in pixels; negative outside."""
    is_small = is_positive and rng.random() < DEPOSIT_SHARE
    level = _deposit(slide, rng) if is_small else _growth(slide, rng)
    if is_positive:
        least = rng.exponential(3.0) + 0.5  # pixels of tumour within the centre, at its deepest
        return level + max(0.0, least - float(level[_CENTRE, _CENTRE].max()))
    # The surroundings must not reveal the label: hence healthy islands and healthy sides.
    if rng.random() < ISLAND_SHARE:
        level = np.minimum(level, -_blob(_near_middle(4, rng), rng.uniform(22, 30), 0.1, rng))
    gap = rng.exponential(2.0) + 0.5
    return level - max(0.0, gap + float(level[_CENTRE, _CENTRE].max()))


def _deposit(slide: Slide, rng: np.random.Generator) -> FloatArray:
    """Place a few tumour cells in the centre, so that the rest of the patch may show none."""
    return _blob(_near_middle(12, rng), rng.uniform(8, 14), slide.ruggedness, rng)


def _growth(slide: Slide, rng: np.random.Generator) -> FloatArray:
    """Place a nest of the slide's size, or the edge of a large one, across the patch."""
    radius = float(np.clip(slide.nest_radius * np.exp(rng.normal(0, 0.5)), 9, 90))
    return _blob(_near_middle(HALF_CENTRE + 0.7 * radius, rng), radius, slide.ruggedness, rng)


def _near_middle(reach: float, rng: np.random.Generator) -> NDArray[np.float64]:
    return MIDDLE + rng.uniform(-reach, reach, 2)


def _blob(
    centre: NDArray[np.float64], radius: float, ruggedness: float, rng: np.random.Generator
) -> FloatArray:
    """Return each pixel's depth within a rugged ellipse, in pixels; negative outside."""
    angle = rng.uniform(0, np.pi)
    stretch = 1 + 0.4 * rng.random()
    dx, dy = COLUMNS - centre[0], ROWS - centre[1]
    u = (dx * np.cos(angle) + dy * np.sin(angle)) / stretch
    v = (dy * np.cos(angle) - dx * np.sin(angle)) * stretch
    wave = ruggedness * min(radius, 30.0)
    level: FloatArray = radius - np.sqrt(u * u + v * v) + wave * noise(18, rng)
    return level


def _populate(
    slide: Slide,
    region: Region,
    regions: NDArray[np.uint8],
    nest: FloatArray,
    *,
    flow: float,
    rng: np.random.Generator,
) -> NDArray[np.void]:
    """Grow the cells of one region; the tumour's outline separates them from all others."""
    kind = slide.kinds[region]
    points = lattice(kind.spacing, rng)
    column, row = np.rint(points.clip(0, SIDE - 1)).astype(np.intp).T
    if region is Region.TUMOUR:
        points = _within(nest, points[nest[row, column] > 0.5 * kind.radius])
    else:
        apart = nest[row, column] < -0.7 * kind.radius
        points = points[apart & (regions[row, column] == np.uint8(region))]
    if region is Region.LYMPHOID:
        points = points[rng.random(len(points)) > 0.4 * slide.gaps]
    if region is Region.STROMA:
        angles = flow + 0.25 * as_float(rng.standard_normal(len(points), dtype=np.float32))
    else:
        angles = as_float(rng.random(len(points), dtype=np.float32)) * np.pi
    grown = cells.grow(kind, points, angles, rng=rng)
    if region is Region.TUMOUR:
        lymphocytes = cells.grow(slide.kinds[Region.LYMPHOID], points, angles, rng=rng)
        strangers = rng.random(len(points)) < slide.infiltration
        grown[strangers] = lymphocytes[strangers]
    return grown


def _within(nest: FloatArray, points: FloatArray) -> FloatArray:
    """Return `points`, or the nest's deepest pixel if there are none: a nest needs a cell."""
    if len(points) or nest.max() < LEAST_DEPTH:
        return points
    row, column = np.unravel_index(int(nest.argmax()), nest.shape)
    return np.array([[column, row]], np.float64)


def _glass(_slide: Slide, _scene: _Scene, _rng: np.random.Generator) -> Stains:
    bare = np.zeros((SIDE, SIDE), np.float64)
    return Stains(bare, bare)


def _fat(_slide: Slide, _scene: _Scene, rng: np.random.Generator) -> Stains:
    """Draw adipocytes: bare vacuoles between thin membranes."""
    half = SIDE // 2
    spacing = rng.uniform(45, 85)
    points = lattice(spacing, rng, jitter=0.25, beyond=spacing) / 2
    across = COLUMNS[:half, :half] + 2.5 * noise(25, rng)[:half, :half]
    down = ROWS[:half, :half] + 2.5 * noise(25, rng)[:half, :half]
    dx, dy = across[..., None] - points[:, 0], down[..., None] - points[:, 1]
    nearest = np.sqrt(np.partition(dx * dx + dy * dy, 2, axis=2)[:, :, :3])
    gap = as_float(cv2.resize(nearest[:, :, 1] - nearest[:, :, 0], (SIDE, SIDE))) * 2
    corner = as_float(cv2.resize(nearest[:, :, 2] - nearest[:, :, 0], (SIDE, SIDE))) * 2
    width = rng.uniform(1.0, 2.2) + 4 * np.exp(-np.square(corner / 9))
    strength = rng.uniform(0.12, 0.4) * (1 + 0.3 * noise(6, rng))
    membrane = np.exp(-np.square(gap / width)) * strength.clip(0.05, None)
    return Stains(membrane * 0.2, membrane)


def _sinus(_slide: Slide, scene: _Scene, rng: np.random.Generator) -> Stains:
    """Draw the loose, pale net of a sinus."""
    net = np.exp(-np.square(noise(11, rng) * 2.2)) + 0.5 * np.exp(-np.square(noise(6, rng) * 3))
    wisps = (0.05 + 0.16 * net + 0.05 * scene.broad + 0.03 * scene.grain).clip(0, None)
    return Stains(0.2 * wisps, wisps)


def _stroma(_slide: Slide, scene: _Scene, rng: np.random.Generator) -> Stains:
    """Draw collagen: fibres that run together, with clefts between them."""
    strands = fibres(scene.flow, rng, width=1.8, length=22.0) + fibres(
        scene.flow, rng, width=5.0, length=40.0
    )
    density = 0.28 + 0.055 * strands + 0.06 * scene.broad + 0.02 * scene.grain
    clefts = fibres(scene.flow, rng, width=3.2, length=26.0)
    density *= 1 - 0.85 * ((clefts - rng.uniform(0.6, 2.2)) * 1.5).clip(0, 1)
    density = density.clip(0, None)
    return Stains(0.12 * density, density)


def _lymphoid(slide: Slide, scene: _Scene, rng: np.random.Generator) -> Stains:
    """Draw the space between packed lymphocytes: a little cytoplasm, and gaps."""
    density = 0.17 + 0.05 * noise(4, rng) + 0.05 * scene.broad + 0.03 * scene.grain
    openness = 3.0 * slide.gaps - 1.2
    density *= 1 - 0.9 * ((noise(4.5, rng) + openness) * 1.5).clip(0, 1)
    density = density.clip(0.01, None)
    return Stains((slide.basophilia + 0.3) * density, density)


def _follicle(slide: Slide, scene: _Scene, rng: np.random.Generator) -> Stains:
    """Draw a germinal centre's background, which by itself looks like that of tumour."""
    density = 0.22 + 0.05 * noise(5, rng) + 0.04 * scene.broad + 0.03 * scene.grain
    density *= 1 - 0.7 * ((noise(5, rng) + (slide.gaps - 1.8)) * 2).clip(0, 1)
    density = density.clip(0.03, None)
    return Stains((slide.basophilia + 0.2) * density, density)


def _tumour(slide: Slide, scene: _Scene, rng: np.random.Generator) -> Stains:
    """Draw cytoplasm: granular, paler or denser from cell to cell, with some lumens."""
    grain = 1 + 0.10 * scene.grain + 0.12 * noise(4, rng) + 0.22 * noise(11, rng)
    lumen = ((noise(8, rng) - 1.7) * 3).clip(0, 1)
    grain = (grain * (1 - 0.85 * lumen)).clip(0.05, None)
    return Stains(slide.basophilia * grain, slide.cytoplasm * grain)


_GROUNDS: Mapping[Region, Callable[[Slide, _Scene, np.random.Generator], Stains]] = {
    Region.GLASS: _glass,
    Region.FAT: _fat,
    Region.SINUS: _sinus,
    Region.STROMA: _stroma,
    Region.LYMPHOID: _lymphoid,
    Region.FOLLICLE: _follicle,
    Region.TUMOUR: _tumour,
}
