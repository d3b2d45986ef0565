"""Tests of `train.augmenting`: what may change changes, what the label is about stays."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.training import PARAMS
from metastasis.patches import symmetries
from metastasis.train import augmenting, train_params

NOISE = np.random.default_rng(0).integers(0, 256, (16, 96, 96, 3), np.uint8)

STILL: dict[str, Any] = {"stain_jitter": 0.0, "focus_jitter": 0.0}


def augmented(patches: NDArray[np.uint8], seed: int = 0, **changes: object) -> NDArray[np.uint8]:
    """Patches changed under changed params."""
    params = PARAMS.model_copy(update=changes)
    return augmenting.augment(patches, np.random.default_rng(seed), params)


def stained(patches: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return augmented(patches, geometry="none", stain_jitter=scale, focus_jitter=0.0)


def focused_by(patches: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return augmented(patches, geometry="none", stain_jitter=0.0, focus_jitter=scale)


def test_each_patch_is_turned_by_its_own_element() -> None:
    turned = augmenting.turn(NOISE, np.arange(16) % 8)
    for patch, result, element in zip(NOISE, turned, np.arange(16) % 8, strict=True):
        assert np.array_equal(result, symmetries.turn(patch[np.newaxis], int(element))[0])


@given(seed=st.integers(0, 1000), geometry=st.sampled_from(["none", "d4", "rotation", "affine"]))
def test_the_same_chance_gives_the_same_patches(seed: int, geometry: train_params.Geometry) -> None:
    first, second = (augmented(NOISE, seed, geometry=geometry) for _ in range(2))
    assert np.array_equal(first, second)


def test_without_geometry_and_jitter_nothing_changes() -> None:
    same = augmented(NOISE, geometry="none", **STILL)
    assert np.array_equal(same, NOISE)


def test_the_patches_passed_in_are_left_alone() -> None:
    before = NOISE.copy()
    augmented(NOISE, geometry="affine")
    assert np.array_equal(before, NOISE)


def test_stain_jitter_changes_optical_density_by_the_scale_asked_for() -> None:
    """Of a grey of optical density 1, changed 20,000 times, by the scale and the shift."""
    scale = 0.1
    grey = round(256 / np.e) - 1
    patches = np.full((20_000, 2, 2, 3), grey, np.uint8)
    jittered = stained(patches, scale)
    density = -np.log((jittered[:, 0, 0].astype(float) + 1) / 256)
    expected = scale * np.hypot(1, augmenting.STAIN_SHIFT_SHARE)
    assert density.std(axis=0) == pytest.approx([expected] * 3, rel=0.03)
    assert density.mean(axis=0) == pytest.approx([1.0] * 3, abs=0.01)
    assert np.abs(np.corrcoef(density.T) - np.eye(3)).max() < 0.03


def test_the_strongest_stain_jitter_exchanges_no_dark_and_bright() -> None:
    recipe = PARAMS.model_copy(update={"stain_jitter": 0.5})
    drawn = augmenting.draw(np.random.default_rng(0), 20_000, 32, recipe)
    assert drawn["densities"][:, :, 0].min() > 0


def test_stain_jitter_keeps_the_order_of_brightness_within_a_channel() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None, None, :, None].repeat(3, axis=3)
    patches = np.broadcast_to(ramp, (50, 2, 256, 3)).copy()
    jittered = stained(patches, 0.15)
    assert (np.diff(jittered.astype(int), axis=2) >= 0).all()


def test_focus_jitter_blurs_half_of_the_patches_by_up_to_the_width_asked_for() -> None:
    """A dot's second moment, over both axes, is twice the blur's variance; here up to 2 pixels."""
    dot = np.zeros((400, 33, 33, 3), np.uint8)
    dot[:, 16, 16] = 255
    focused = focused_by(dot, 2.0)[..., 0].astype(float)
    places = np.arange(33) - 16
    squares = places[:, None] ** 2 + places**2
    moments = (focused * squares).sum(axis=(1, 2)) / focused.sum(axis=(1, 2))
    widths = np.sqrt(moments / 2)
    assert 1.7 < widths.max() < 2.1
    blurred = widths[focused.max(axis=(1, 2)) < 255]
    assert 0.4 < len(blurred) / 400 < 0.5  # those blurred by a fraction of a pixel stay as they are
    assert np.quantile(blurred, 0.5) == pytest.approx(1.1, abs=0.15)


def test_focus_jitter_sharpens_the_other_half_by_up_to_the_strength_asked_for() -> None:
    """Sharpened by a, a ripple gains a times what is left of it when a Gaussian is taken away."""
    period = 8
    ripple = np.round(128 + 40 * np.cos(2 * np.pi * np.arange(64) / period)).astype(np.uint8)
    patches = np.broadcast_to(ripple[None, None, :, None], (400, 8, 64, 3)).copy()
    focused = focused_by(patches, 1.0).astype(float)
    wave = np.exp(2j * np.pi * np.arange(period * 4) / period)  # four periods, off the edges
    gain = np.abs(focused[:, 4, 16:48, 0] @ wave) / np.abs(patches[0, 4, 16:48, 0] @ wave)
    kept = np.exp(-((2 * np.pi / period) ** 2) / 2)  # by a Gaussian of one pixel
    strengths = (gain[gain > 1.01] - 1) / (1 - kept)
    assert 0.4 < len(strengths) / 400 < 0.6
    assert strengths.max() == pytest.approx(1, abs=0.05)
    assert np.median(strengths) == pytest.approx(0.5, abs=0.08)


def test_focus_jitter_leaves_plain_colour_as_it_is() -> None:
    plain = np.broadcast_to(np.array([200, 120, 180], np.uint8), (50, 32, 32, 3)).copy()
    assert np.array_equal(focused_by(plain, 2.0), plain)


def moved_by(patches: NDArray[np.uint8]) -> NDArray[np.floating]:
    """Centre of mass of each patch, (n, 2), relative to the middle."""
    mass = patches[..., 0].astype(float)
    places = np.arange(patches.shape[1]) - (patches.shape[1] - 1) / 2
    total = mass.sum(axis=(1, 2))
    return np.stack([(mass.sum(axis=axis) * places).sum(axis=1) / total for axis in (1, 2)], axis=1)


def test_the_affine_set_shifts_by_at_most_a_tenth_of_the_side() -> None:
    dot = np.zeros((400, 96, 96, 3), np.uint8)
    dot[:, 44:52, 44:52] = 255
    warped = augmented(dot, geometry="affine", **STILL)
    shift = np.abs(moved_by(warped))
    assert shift.max() <= 9.6 + 0.2
    assert shift.max() >= 9.0


def test_the_affine_set_repeats_the_edge_instead_of_adding_black() -> None:
    white = np.full((100, 96, 96, 3), 200, np.uint8)
    warped = augmented(white, geometry="affine", **STILL)
    assert (warped == 200).all()


def test_rotation_turns_by_every_angle_flips_half_and_keeps_the_centre_in_place() -> None:
    """A dot beside the centre and one at a right angle to it tell angle, flip and zoom."""
    dots = np.zeros((2000, 97, 97, 3), np.uint8)
    dots[:, 47:50, 62:65, 0] = 255  # 15 pixels to the right
    dots[:, 62:65, 47:50, 1] = 255  # 15 pixels below
    rotated = augmented(dots, geometry="rotation", **STILL)
    right, below = (moved_by(rotated[..., [channel]]) for channel in (0, 1))
    distances = np.hypot(*right.T) / 15  # pixels so near that no mirrored dot appears
    assert 0.9 - 0.02 <= distances.min() < 0.91
    assert 1.09 < distances.max() <= 1.1 + 0.02
    angles = np.sort(np.arctan2(*right.T[::-1]))
    assert np.abs(angles - np.linspace(-np.pi, np.pi, len(angles))).max() < 0.2
    turned_by = right[:, 0] * below[:, 1] - right[:, 1] * below[:, 0]  # negative if flipped
    assert 0.45 < (turned_by < 0).mean() < 0.55
    assert np.abs((right * below).sum(axis=1)).max() / 15**2 < 0.05  # still at a right angle


def test_rotation_mirrors_the_tissue_beyond_the_edge_instead_of_adding_black() -> None:
    white = np.full((100, 96, 96, 3), 200, np.uint8)
    assert (augmented(white, geometry="rotation", **STILL) == 200).all()
