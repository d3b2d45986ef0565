"""Tests of `patches.symmetries`: eight elements, each different, none moves the centre."""

import numpy as np

from metastasis.patches import symmetries

PATCHES = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)


def test_the_8_elements_are_the_flips_and_quarter_turns() -> None:
    turned = [symmetries.turn(PATCHES, element) for element in range(symmetries.NUM_ELEMENTS)]
    for number, patch in enumerate(PATCHES):
        expected = {
            np.rot90(side, turns).tobytes()
            for side in (patch, np.fliplr(patch))
            for turns in range(4)
        }
        assert {result[number].tobytes() for result in turned} == expected
        assert len(expected) == 8
    assert np.array_equal(turned[0], PATCHES)


def test_turning_keeps_the_centre_in_the_centre() -> None:
    marked = np.zeros((1, 96, 96, 3), np.uint8)
    marked[:, 32:64, 32:64] = 255
    for element in range(symmetries.NUM_ELEMENTS):
        assert np.array_equal(symmetries.turn(marked, element), marked)
