"""Tests of `ingest.overlapping`: patches that share pixels are found at any shift."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metastasis.ingest import overlapping
from metastasis.ingest.overlapping import MIN_OVERLAP
from metastasis.patches import shards
from metastasis.patches.shards import PATCH_SIZE, Patches

UInt8 = NDArray[np.uint8]
MAX_SHIFT = PATCH_SIZE - MIN_OVERLAP  # 80
SIDE = PATCH_SIZE + MAX_SHIFT


def canvas(seed: int) -> UInt8:
    """Tissue-like colours of so large an area that two patches of it may overlap in a corner."""
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(np.clip(150 + 60 * smooth / smooth.std(), 0, 255), np.uint8)


def cut(area: UInt8, down: int, right: int) -> tuple[UInt8, UInt8]:
    """Two patches of an area, the second so far down and right of the first."""
    corners = [(max(-down, 0), max(-right, 0)), (max(down, 0), max(right, 0))]
    first, second = (area[y : y + PATCH_SIZE, x : x + PATCH_SIZE] for y, x in corners)
    return first, second


def find(*patches: UInt8) -> list[list[int]]:
    stack = np.stack(patches)
    places = np.column_stack([np.zeros(len(stack), np.int64), np.arange(len(stack))])
    pairs: list[list[int]] = overlapping.find(Patches(pd.DataFrame(), (stack,)), places).tolist()
    return pairs


shifts = st.integers(-MAX_SHIFT, MAX_SHIFT)


@settings(max_examples=60)
@given(down=shifts, right=shifts, seed=st.integers(0, 10_000))
def test_an_overlap_is_found_at_any_shift(down: int, right: int, seed: int) -> None:
    assert find(*cut(canvas(seed), down, right), canvas(seed + 1)[:96, :96]) == [
        [0, 1, down, right]
    ]


@pytest.mark.slow
def test_an_overlap_is_found_at_every_shift() -> None:
    rights = range(-MAX_SHIFT, MAX_SHIFT + 1)
    areas = [canvas(number) for number in range(len(rights))]
    for down in range(-MAX_SHIFT, MAX_SHIFT + 1):
        pairs = [cut(area, down, right) for area, right in zip(areas, rights, strict=True)]
        found = find(*(patch for pair in pairs for patch in pair))
        assert found == [[2 * n, 2 * n + 1, down, right] for n, right in enumerate(rights)]


@pytest.mark.parametrize(("down", "right"), [(MAX_SHIFT + 1, 0), (0, -MAX_SHIFT - 1), (90, 90)])
def test_an_overlap_that_is_too_small_is_never_claimed(down: int, right: int) -> None:
    area = np.pad(canvas(0), ((0, 16), (0, 16), (0, 0)), mode="wrap")
    assert find(*cut(area, down, right)) == []


def as_jpeg(patch: UInt8, quality: int) -> UInt8:
    """Store a patch as JPEG and decode it."""
    _, content = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_after_jpeg_overlaps_at_multiples_of_16_are_found(quality: int) -> None:
    steps = range(-64, 65, 16)
    for number, (down, right) in enumerate(itertools.product(steps, steps)):
        pair = [as_jpeg(patch, quality) for patch in cut(canvas(number), down, right)]
        assert find(*pair) == [[0, 1, down, right]]


def test_after_jpeg_other_shifts_are_not_claimed() -> None:
    pair = [as_jpeg(patch, 75) for patch in cut(canvas(1), 20, 3)]
    assert find(*pair) == []


@pytest.mark.parametrize("place", [(1, 1), (1, 14), (14, 1), (7, 8)])
def test_one_pixel_that_differs_inside_the_common_area_makes_no_overlap(
    place: tuple[int, int],
) -> None:
    first, second = cut(canvas(2), 80, 80)  # the first's last 16x16 pixels are the second's first
    changed = second.copy()
    changed[place] ^= 1
    assert find(first, second) == [[0, 1, 80, 80]]
    assert find(first, changed) == []


def test_glass_and_flat_stroma_join_nothing() -> None:
    random = np.random.default_rng(0)
    glass = np.full((12, 96, 96, 3), 255, np.uint8)
    noisy = random.integers(240, 256, (12, 96, 96, 3), np.uint8)
    flat = np.full((12, 96, 96, 3), (200, 120, 170), np.uint8)
    half = [canvas(seed)[:96, :96].copy() for seed in range(12)]
    for patch in half:
        patch[:, 48:] = 255  # they share the glass beside different tissue
    assert find(*glass, *noisy, *flat, *half) == []


def test_what_is_alike_in_a_part_of_the_overlap_alone_is_no_overlap() -> None:
    """Only the comparison of all pixels tells: the fingerprints agree."""
    first, second = (patch.copy() for patch in cut(canvas(0), 32, 16))
    assert find(first, second) == [[0, 1, 32, 16]]
    second[10, 10, 0] ^= 1
    number, hashes, _ = overlapping.fingerprints(np.stack([first, second]))
    assert set(hashes[number == 0]) & set(hashes[number == 1])
    assert find(first, second) == []


def test_a_pattern_that_repeats_is_found_at_all_its_shifts() -> None:
    tile = canvas(0)[:32, :32]
    patch = np.tile(tile, (3, 3, 1))
    other = np.roll(patch, 16, axis=0)
    assert [0, 1, 16, 0] in find(patch, other)


def test_fingerprints_that_very_many_patches_share_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    area = canvas(0)
    patches = [cut(area, 0, right)[1] for right in range(0, 64, 16)]
    assert len(find(*patches)) == 6
    monkeypatch.setattr(overlapping, "MAX_SHARED", 1)
    assert find(*patches) == []


def test_many_patches_without_overlap_give_no_pair() -> None:
    assert find(*(canvas(seed)[:96, :96] for seed in range(600))) == []


def test_the_table_names_pools_and_ids_and_has_each_of_several_equal_patches(
    tmp_path: Path,
) -> None:
    first, second = cut(canvas(0), -48, 16)
    writer = shards.Writer(tmp_path, PATCH_SIZE)
    places = writer.extend(np.stack([second, first, first, canvas(1)[:96, :96]]))
    writer.close()
    inventory = pd.DataFrame(
        {
            "pool": ["unlabelled", "labelled", "labelled", "labelled", "labelled"],
            "id": ["u", "b", "a", "c", "broken"],
            "sha1": ["2", "1", "1", "3", ""],
            "shard": [*places[:, 0], -1],
            "row": [*places[:, 1], -1],
        }
    )
    shards.write_index(tmp_path, inventory[inventory["shard"] >= 0])
    table = overlapping.table(inventory, shards.read(tmp_path))
    assert tuple(table) == shards.OVERLAP_COLUMNS
    share = pytest.approx(48 * 80 / 96**2)
    assert table.to_numpy().tolist() == [
        ["labelled", "a", "unlabelled", "u", -48, 16, share],
        ["labelled", "b", "unlabelled", "u", -48, 16, share],
    ]
    shards.write_overlaps(tmp_path, table)
    pd.testing.assert_frame_equal(shards.read_overlaps(tmp_path), table)
