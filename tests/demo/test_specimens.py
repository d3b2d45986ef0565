"""Slides differ as patients do, within what one calls tumour and what not."""

import numpy as np
import pytest

from metastasis.demo import specimens
from metastasis.demo.specimens import Region

SLIDES = [specimens.sample(np.random.default_rng(seed)) for seed in range(40)]


def test_slides_differ_in_the_size_of_their_tumour_nuclei() -> None:
    radii = [slide.kinds[Region.TUMOUR].radius for slide in SLIDES]
    assert np.ptp(radii) > 1
    assert min(radii) > max(slide.kinds[Region.LYMPHOID].radius for slide in SLIDES)


def test_every_region_has_cells_but_glass_and_fat() -> None:
    for slide in SLIDES:
        assert set(Region) - set(slide.kinds) == {Region.GLASS, Region.FAT}


def test_the_shares_of_tissue_add_up() -> None:
    for slide in SLIDES:
        assert slide.hosts.sum() == pytest.approx(1)
        assert len(slide.hosts) == len(specimens.HOSTS)
