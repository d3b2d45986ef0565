"""The label's rule holds for every patch drawn, and tissue is what its region says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from metastasis.demo import specimens, textures, tissue

seeds = st.integers(0, 2**32 - 1)


def drawn(seed: int, *, is_positive: bool, has_tumour: bool) -> tuple[tissue.Stains, np.ndarray]:
    rng = np.random.default_rng(seed)
    slide = specimens.sample(rng)
    return tissue.draw(slide, is_positive=is_positive, has_tumour=has_tumour, rng=rng)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, is_positive=st.booleans())
def test_the_centre_holds_tumour_exactly_when_the_field_is_positive(
    seed: int, *, is_positive: bool
) -> None:
    _, mask = drawn(seed, is_positive=is_positive, has_tumour=True)
    assert mask.shape == (128, 128)
    assert mask[48:80, 48:80].any() == is_positive


def test_most_negatives_with_tumour_show_it_outside_the_centre() -> None:
    shown = [
        drawn(seed, is_positive=False, has_tumour=True)[1][16:112, 16:112].any()
        for seed in range(60)
    ]
    assert np.mean(shown) > 0.7


def test_a_field_without_tumour_has_an_empty_mask() -> None:
    _, mask = drawn(3, is_positive=False, has_tumour=False)
    assert not mask.any()


@settings(deadline=None, max_examples=30)
@given(seed=seeds, has_tumour=st.booleans())
def test_densities_are_finite_and_not_negative(seed: int, *, has_tumour: bool) -> None:
    stains, _ = drawn(seed, is_positive=has_tumour, has_tumour=has_tumour)
    for density in (stains.haematoxylin, stains.eosin):
        assert density.shape == (textures.SIDE, textures.SIDE)
        assert density.dtype == np.float64
        assert np.isfinite(density).all()
        assert density.min() >= 0


def test_the_same_generator_draws_the_same_field() -> None:
    first, first_mask = drawn(8, is_positive=True, has_tumour=True)
    second, second_mask = drawn(8, is_positive=True, has_tumour=True)
    np.testing.assert_array_equal(first.haematoxylin, second.haematoxylin)
    np.testing.assert_array_equal(first.eosin, second.eosin)
    np.testing.assert_array_equal(first_mask, second_mask)
