"""Nuclei have the size, outline and inside that their kind says."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.demo import cells

PLAIN = cells.CellType(
    radius=6.0,
    spread=0.0,
    stretch=0.0,
    lobes=0.0,
    spacing=10.0,
    chromatin=1.0,
    rim=0.0,
    clumps=0.0,
    nucleolus=0.0,
)
SMOOTH = np.zeros((64, 64))


def grown(kind: cells.CellType, *points: tuple[float, float]) -> np.ndarray:
    angles = np.zeros(len(points))
    rng = np.random.default_rng(0)
    return cells.grow(kind, np.array(points, float), angles, rng=rng)


@given(radius=st.floats(2, 9), x=st.floats(20, 44), y=st.floats(20, 44))
def test_a_plain_nucleus_is_a_disc_of_its_radius_around_its_point(
    radius: float, x: float, y: float
) -> None:
    cell = grown(dataclasses.replace(PLAIN, radius=radius), (x, y))
    cover = cells.draw(cell, SMOOTH) / cell["chromatin"]
    rows, columns = np.indices(cover.shape)
    assert cover.sum() == pytest.approx(np.pi * radius**2, rel=0.15)
    assert (cover * columns).sum() / cover.sum() == pytest.approx(x, abs=0.1)
    assert (cover * rows).sum() / cover.sum() == pytest.approx(y, abs=0.1)


def test_a_patch_without_cells_has_no_haematoxylin() -> None:
    assert not cells.draw(np.empty(0, cells.CELL), SMOOTH).any()


def test_touching_nuclei_dont_add_up() -> None:
    pair = grown(PLAIN, (28, 32), (36, 32))
    assert cells.draw(pair, SMOOTH).max() <= pair["chromatin"].max() * 1.0001


def test_a_vesicular_nucleus_is_paler_inside_than_at_its_membrane() -> None:
    density = cells.draw(grown(dataclasses.replace(PLAIN, radius=8, rim=0.8), (32, 32)), SMOOTH)
    assert density[32, 32] < 0.6 * density[32, 32 + 7]


def test_a_nucleolus_is_a_dark_dot_in_the_nucleus() -> None:
    cell = grown(dataclasses.replace(PLAIN, nucleolus=1.0), (32, 32))
    plain = grown(PLAIN, (32, 32))
    added = cells.draw(cell, SMOOTH) - cells.draw(plain, SMOOTH)
    assert added.max() > 0.25
    assert (added > 0.1).sum() < 15


def test_lobes_make_the_outline_irregular() -> None:
    lobed = cells.draw(grown(dataclasses.replace(PLAIN, lobes=0.3), (32, 32)), SMOOTH) > 0.5
    assert (lobed != lobed[:, ::-1]).sum() > (lobed.sum() * 0.02)
    plain = cells.draw(grown(PLAIN, (31.5, 32)), SMOOTH) > 0.5
    assert (plain == plain[:, ::-1]).all()


def test_a_nucleus_over_the_edge_spoils_nothing_but_the_outermost_row() -> None:
    density = cells.draw(grown(PLAIN, (32.0, -20.0)), SMOOTH)
    assert not density[1:].any()
