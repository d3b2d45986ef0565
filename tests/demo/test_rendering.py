"""Stains darken light by Beer and Lambert's law, as each slide's scanner sees it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis.demo import rendering
from metastasis.demo.textures import SIDE
from metastasis.demo.tissue import Stains

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])
STILL = rendering.Look(
    haematoxylin=HAEMATOXYLIN,
    eosin=EOSIN,
    strengths=(1.0, 1.0),
    white=np.array([250.0, 245.0, 240.0]),
    blur=0.5,
    sharpening=0.0,
    noise=0.0,
    unevenness=0.0,
)


def even(haematoxylin: float, eosin: float) -> Stains:
    ones = np.ones((SIDE, SIDE))
    return Stains(ones * haematoxylin, ones * eosin)


def rendered(stains: Stains, look: rendering.Look, seed: int = 0) -> np.ndarray:
    return rendering.render(stains, look, np.random.default_rng(seed))


@settings(deadline=None)
@given(haematoxylin=st.floats(0, 1.5), eosin=st.floats(0, 1.0))
def test_even_stains_give_the_colour_of_beer_and_lambert(haematoxylin: float, eosin: float) -> None:
    patch = rendered(even(haematoxylin, eosin), STILL)
    expected = STILL.white * 10 ** -(haematoxylin * HAEMATOXYLIN + eosin * EOSIN)
    assert patch.shape == (128, 128, 3)
    assert patch.dtype == np.uint8
    np.testing.assert_allclose(patch, np.broadcast_to(expected, patch.shape), atol=0.51)


def test_blur_softens_and_sharpening_crispens_an_edge() -> None:
    stains = even(0, 0)
    stains.haematoxylin[:, SIDE // 2 :] = 1
    steepest = [
        np.abs(np.diff(rendered(stains, look).astype(float), axis=1)).max()
        for look in (
            dataclasses.replace(STILL, blur=1.5),
            STILL,
            dataclasses.replace(STILL, sharpening=0.8),
        )
    ]
    assert steepest == sorted(steepest)
    assert steepest[0] < steepest[1] < steepest[2]


def test_noise_has_the_looks_deviation() -> None:
    look = dataclasses.replace(STILL, noise=4.0)
    patch = rendered(even(0.3, 0.3), look)
    assert patch.astype(float).std(axis=(0, 1)) == pytest.approx([4, 4, 4], rel=0.1)


def test_the_same_generator_gives_the_same_bytes_and_another_seed_others() -> None:
    look = dataclasses.replace(STILL, noise=2.0)
    first, second, other = (rendered(even(0.3, 0.3), look, seed).tobytes() for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_looks_fall_into_two_scanners_of_plainly_different_blue() -> None:
    looks = [rendering.sample_look(np.random.default_rng(seed)) for seed in range(60)]
    warm = [look.haematoxylin[2] > 0.37 for look in looks]
    assert 0.25 < np.mean(warm) < 0.75
    for look in looks:
        assert np.linalg.norm(look.haematoxylin) == pytest.approx(1, abs=1e-5)
        assert (look.white <= 255).all()
