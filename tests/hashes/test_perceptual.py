"""Tests of `hashes.perceptual`: flips and turns share a hash, copies nearly, others don't."""

import itertools

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.patches import UInt8, symmetries, texture
from metastasis.hashes import perceptual


def hashes(patches: list[UInt8]) -> list[str]:
    return perceptual.hashes(np.stack([perceptual.grid(patch) for patch in patches]))


def num_different_bits(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


@given(seed=st.integers(0, 2**32), coarse=st.integers(1, 96))
def test_the_eight_flips_and_turns_share_one_hash(seed: int, coarse: int) -> None:
    images = symmetries(texture(seed, coarse))
    assert len({image.tobytes() for image in images}) > 1
    assert len(set(hashes(images))) == 1


def test_a_copy_of_lower_quality_differs_in_few_bits_and_another_patch_in_many() -> None:
    originals = [texture(seed) for seed in range(200)]
    copies = []
    for patch in originals:
        _, encoded = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, 75])
        copies.append(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8))
    before, after = hashes(originals), hashes(copies)
    of_copies = [num_different_bits(a, b) for a, b in zip(before, after, strict=True)]
    of_others = [num_different_bits(a, b) for a, b in itertools.pairwise(before)]
    assert max(of_copies) <= 8
    assert min(of_others) >= 12


def test_a_hash_has_64_bits_of_which_half_are_set_and_a_blank_patch_none() -> None:
    textured, blank = hashes([texture(1), np.full((96, 96, 3), 200, np.uint8)])
    assert len(textured) == 16
    assert int(textured, 16).bit_count() == 32
    assert int(blank, 16) == 0


def test_no_patches_have_no_hashes() -> None:
    assert perceptual.hashes(np.empty((0, 16, 16), np.uint8)) == []
