"""Textures cover the patch and its margin, at the strength and grain they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis.demo import textures


@pytest.mark.parametrize("grain", [2.2, 4, 11, 40])
def test_noise_of_every_grain_has_a_deviation_of_about_one(grain: float) -> None:
    rng = np.random.default_rng(0)
    deviations = [textures.noise(grain, rng).std() for _ in range(50)]
    assert 0.85 < np.mean(deviations) < 1.15


def test_finer_noise_changes_over_shorter_distances() -> None:
    rng = np.random.default_rng(0)
    steps = [np.abs(np.diff(textures.noise(grain, rng))).mean() for grain in (2.2, 4, 11, 40)]
    assert steps == sorted(steps, reverse=True)


@settings(deadline=None)
@given(spacing=st.floats(5, 90), beyond=st.floats(2, 30), seed=st.integers(0, 2**32 - 1))
def test_points_leave_no_hole_and_never_pile_up(spacing: float, beyond: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = textures.lattice(spacing, rng, jitter=0.0, beyond=beyond)
    middle = textures.MIDDLE
    assert (np.abs(points - middle) < middle + beyond).all()
    distance = np.hypot(*(points[:, None] - points[None]).T)
    np.fill_diagonal(distance, np.inf)
    if len(points) > 1:
        assert distance.min() == pytest.approx(spacing, rel=1e-3)
    expected = (textures.SIDE + 2 * beyond) ** 2 / (spacing**2 * np.sqrt(0.75))
    assert len(points) == pytest.approx(expected, rel=0.1, abs=8)


def test_fibres_run_along_their_angle() -> None:
    rng = np.random.default_rng(0)
    fibres = textures.fibres(0.0, rng, width=2.0, length=26.0)  # along the rows
    across, along = np.abs(np.diff(fibres, axis=0)).mean(), np.abs(np.diff(fibres, axis=1)).mean()
    assert across > 1.5 * along
