"""Draws at random the tissue properties of each slide. `demo.tissue` draws the tissue."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from metastasis.demo.cells import CellType


class Region(IntEnum):
    """The kind of tissue that a pixel belongs to."""

    GLASS = 0
    FAT = 1
    SINUS = 2
    STROMA = 3
    LYMPHOID = 4
    FOLLICLE = 5
    TUMOUR = 6


HOSTS = (Region.GLASS, Region.FAT, Region.SINUS, Region.STROMA, Region.LYMPHOID)


@dataclass(frozen=True)
class Slide:
    """The tissue properties that differ between slides."""

    hosts: NDArray[np.float64]  # how common each of HOSTS is; sums to 1
    kinds: Mapping[Region, CellType]
    gaps: float  # share of bare glass between lymphocytes
    follicles: float  # how often a patch holds cells that look like tumour but aren't
    nest_radius: float  # pixels, median
    ruggedness: float  # of a nest's outline, in radii
    infiltration: float  # lymphocytes among tumour cells, per position
    cytoplasm: float  # of tumour cells, optical density of eosin
    basophilia: float  # the same of haematoxylin


def sample(rng: np.random.Generator) -> Slide:
    """Return the tissue of one slide, drawn at random."""
    lymphocyte = rng.uniform(2.9, 3.9)
    tumour = rng.uniform(4.75, 6.9)
    pallor = rng.random()
    centre = rng.uniform(3.75, 4.85)
    kinds = {
        Region.SINUS: CellType(
            radius=rng.uniform(3.5, 4.5), spread=0.16, stretch=0.3, lobes=0.07,
            spacing=rng.uniform(15, 24), chromatin=rng.uniform(0.45, 0.9), rim=0.5, clumps=0.25,
            nucleolus=rng.uniform(0, 0.25),
        ),
        Region.STROMA: CellType(
            radius=rng.uniform(2.8, 4.0), spread=0.25, stretch=rng.uniform(0.8, 2.2), lobes=0.06,
            spacing=rng.uniform(14, 24), chromatin=rng.uniform(0.6, 1.0), rim=0.3, clumps=0.25,
            nucleolus=0.0,
        ),
        Region.LYMPHOID: CellType(
            radius=lymphocyte, spread=0.10, stretch=0.18, lobes=0.05,
            spacing=lymphocyte * rng.uniform(1.95, 2.45), chromatin=rng.uniform(0.85, 1.3),
            rim=0.12, clumps=rng.uniform(0.1, 0.3), nucleolus=0.0,
        ),
        Region.FOLLICLE: CellType(
            radius=centre, spread=rng.uniform(0.08, 0.15), stretch=0.3, lobes=0.07,
            spacing=centre * rng.uniform(2.1, 2.9), chromatin=rng.uniform(0.55, 0.95),
            rim=rng.uniform(0.2, 0.7), clumps=0.3, nucleolus=rng.uniform(0.1, 0.4),
        ),
        Region.TUMOUR: CellType(
            radius=tumour, spread=rng.uniform(0.16, 0.3), stretch=rng.uniform(0.2, 0.5),
            lobes=rng.uniform(0.05, 0.13), spacing=tumour * rng.uniform(2.1, 3.0),
            chromatin=1.05 - 0.45 * pallor, rim=0.15 + 0.6 * pallor, clumps=rng.uniform(0.2, 0.4),
            nucleolus=rng.uniform(0.15, 0.65),
        ),
    }  # fmt: skip
    return Slide(
        hosts=rng.dirichlet([0.25, 0.8, 0.9, 1.6, 4.0]),
        kinds=kinds,
        gaps=rng.uniform(0.05, 0.5),
        follicles=rng.uniform(0.15, 0.5),
        nest_radius=float(np.exp(rng.normal(3.4, 0.4))),
        ruggedness=rng.uniform(0.1, 0.4),
        infiltration=rng.uniform(0, 0.25),
        cytoplasm=rng.uniform(0.13, 0.34),
        basophilia=rng.uniform(0.03, 0.2),
    )
