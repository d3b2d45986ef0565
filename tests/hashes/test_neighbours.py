"""Tests of `hashes.neighbours`: every pair of near hashes is found, and only copies stay."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.patches import symmetries, texture
from metastasis.hashes import neighbours, perceptual

UInt8 = NDArray[np.uint8]


def brute_force(hashes: NDArray[np.uint64]) -> list[list[int]]:
    """Every pair that differs in six bits or fewer, by looking at every pair."""
    return [
        [first, second]
        for first, second in itertools.combinations(range(len(hashes)), 2)
        if (int(hashes[first]) ^ int(hashes[second])).bit_count() <= 6
    ]


@given(
    seed=st.integers(0, 2**32),
    num_hashes=st.integers(0, 60),
    num_bits=st.lists(st.integers(0, 9), max_size=40),
)
def test_exactly_the_pairs_within_six_bits_are_found(
    seed: int, num_hashes: int, num_bits: list[int]
) -> None:
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, num_hashes, np.uint64)
    for count in num_bits if num_hashes else []:
        flipped = random.permutation(64)[:count].astype(np.uint64)
        mask = np.bitwise_or.reduce(np.uint64(1) << flipped, initial=np.uint64(0))
        hashes = np.append(hashes, random.choice(hashes) ^ mask)
    assert neighbours.near_pairs(hashes).tolist() == brute_force(hashes)


@given(seed=st.integers(0, 2**32), num_hashes=st.integers(0, 40), num_others=st.integers(0, 40))
def test_between_two_tables_exactly_the_pairs_within_six_bits_are_found(
    seed: int, num_hashes: int, num_others: int
) -> None:
    random = np.random.default_rng(seed)
    # Few different bands, so that many keys are equal and many hashes are near.
    bands = random.choice(np.array([0, 1, 3, 255], np.uint8), (num_hashes + num_others, 8))
    hashes = bands.view(np.uint64)[:, 0]
    expected = [
        [first, second - num_hashes]
        for first, second in brute_force(hashes)
        if first < num_hashes <= second
    ]
    found = neighbours.near_pairs_between(hashes[:num_hashes], hashes[num_hashes:])
    assert found.tolist() == expected


def re_encoded(patch: UInt8, quality: int) -> UInt8:
    _, encoded = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("coarse", [12, 24, 48])
def test_copies_flipped_turned_and_re_encoded_are_found_and_others_not(coarse: int) -> None:
    originals = [texture(seed, coarse) for seed in range(150)]
    copies = [
        re_encoded(symmetries(patch)[number % 8], 75) for number, patch in enumerate(originals)
    ]
    patches = np.stack(originals + copies)
    grids = np.stack([perceptual.grid(patch) for patch in patches])
    hashes = np.array([int(value, 16) for value in perceptual.hashes(grids)], np.uint64)
    pairs = neighbours.near_pairs(hashes)
    alike = neighbours.correlations(patches[pairs[:, 0]], patches[pairs[:, 1]])
    found = pairs[alike >= neighbours.MIN_CORRELATION].tolist()
    expected = [[number, number + 150] for number in range(150)]
    assert [pair for pair in found if pair not in expected] == []
    assert len(found) >= 0.99 * 150


def test_a_patch_correlates_with_all_its_flips_and_turns_and_not_with_its_negative() -> None:
    patch = texture(1)
    images = np.stack(symmetries(patch))
    originals = np.stack([patch] * 8)
    assert neighbours.correlations(originals, images) == pytest.approx(np.ones(8), abs=1e-3)
    assert neighbours.correlations(originals[:1], 255 - originals[:1]) < 0.5


def test_a_blank_patch_is_a_copy_of_nothing() -> None:
    blank = np.full((1, 96, 96, 3), 200, np.uint8)
    assert neighbours.correlations(blank, blank) == pytest.approx([0])


def test_no_hashes_have_no_pairs() -> None:
    assert neighbours.near_pairs(np.empty(0, np.uint64)).shape == (0, 2)
