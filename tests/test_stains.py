"""Tests of `stains`: mixtures of known amounts are unmixed to those amounts."""

import numpy as np

from metastasis import stains


def unit(vector: tuple[float, float, float]) -> np.ndarray:
    return np.asarray(np.array(vector) / np.linalg.norm(vector))


HAEMATOXYLIN, EOSIN = unit(stains.HAEMATOXYLIN), unit(stains.EOSIN)


def test_pure_stains_and_their_mixture_have_known_amounts() -> None:
    densities = np.stack([HAEMATOXYLIN, EOSIN, 0.3 * HAEMATOXYLIN + 0.7 * EOSIN])
    np.testing.assert_allclose(
        stains.unmix(densities), [[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]], atol=1e-12
    )


def test_what_neither_stain_explains_is_left_out() -> None:
    other = np.cross(HAEMATOXYLIN, EOSIN)
    amounts = stains.unmix((0.4 * EOSIN + 2 * other)[np.newaxis])
    np.testing.assert_allclose(amounts, [[0, 0.4]], atol=1e-12)


def test_optical_density_is_0_for_white_and_finite_for_black() -> None:
    colours = np.array([[255, 255, 255], [0, 0, 0], [24.6, 24.6, 255]])
    expected = [[0, 0, 0], [np.log10(256)] * 3, [1, 1, 0]]
    np.testing.assert_allclose(stains.optical_density(colours), expected, atol=1e-12)


def test_a_blue_violet_colour_holds_haematoxylin_and_a_pink_one_eosin() -> None:
    amounts = stains.unmix(stains.optical_density(np.array([[80, 70, 150], [240, 130, 200]])))
    assert amounts[0, 0] > amounts[0, 1]
    assert amounts[1, 1] > amounts[1, 0]
