"""Tests of `predict.shifting`: a planted shift and planted copies are told, and no others."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from helpers.patches import inventory, texture
from metastasis.patches import shards, symmetries
from metastasis.patches.shards import UInt8
from metastasis.predict import shifting
from metastasis.results.prediction import MEASURES, SIZES, Shift, Unlabelled

NUM = 200  # patches of each side
SLIDES = 20  # of validation


def darker(patches: UInt8) -> UInt8:
    return (patches * 0.8).astype(np.uint8)


def blurred(patches: UInt8) -> UInt8:
    return np.array([cv2.GaussianBlur(patch, (0, 0), 1) for patch in patches])


def with_more_eosin(patches: UInt8) -> UInt8:
    """Eosin takes green."""
    return np.asarray(patches * np.array([1, 0.8, 1]), np.uint8)


def patches_of(seed: int, num: int) -> UInt8:
    random = np.random.default_rng(seed)
    return np.array([texture(int(random.integers(2**31))) for _ in range(num)])


def compared(folder: Path, labelled: UInt8, unlabelled: UInt8, rise: float = 0) -> Unlabelled:
    """Half of the labelled patches are validation's."""
    patches = np.concatenate([labelled, unlabelled])
    writer = shards.Writer(folder, patches.shape[1])
    index = pd.DataFrame(writer.extend(patches), columns=["shard", "row"])
    writer.close()
    index["pool"] = ["labelled"] * len(labelled) + ["unlabelled"] * len(unlabelled)
    index["id"] = [f"p{number}" for number in range(len(index))]
    shards.write_index(folder, index)
    known = index[index["pool"] == "labelled"]
    slides = [f"s{number % SLIDES}" for number in range(len(known))]
    random = np.random.default_rng(0)
    table = pd.DataFrame({"id": known["id"], "slide": slides, "patient": None, "region": None})
    table["split"] = np.where(np.arange(len(known)) % 2, "validation", "train")
    table["probability"] = random.random(len(known))
    asked = index.loc[index["pool"] == "unlabelled", ["id"]]
    asked["probability"] = np.clip(random.random(len(asked)) + rise, 0, 1)
    none = pd.DataFrame(columns=list(shards.REGION_COLUMNS))
    return shifting.compare(table, asked, inventory(index, patches), shards.read(folder), none)


def sizes(found: Unlabelled) -> dict[str, str]:
    return {shift.measure: shift.direction for shift in found.found}


def test_patches_of_one_kind_show_no_shift_and_no_copies(tmp_path: Path) -> None:
    found = compared(tmp_path, patches_of(1, 2 * NUM), patches_of(2, NUM))
    assert sizes(found) == {}
    assert found.shift_sentence() == "No shift of the unlabelled patches from validation was found."
    assert found.largest == 0.5
    assert (found.num_patches, found.num_validation, found.num_copies) == (NUM, NUM, 0)
    assert (found.over, found.validation_over) == ("regions", "slides")
    assert found.copies_sentence() is None
    assert [shift.measure for shift in found.shifts] == list(MEASURES)


@pytest.mark.parametrize(
    ("change", "measure", "direction"),
    [
        (darker, "brightness", "are darker"),
        (blurred, "sharpness", "are blurrier"),
        (with_more_eosin, "eosin", "have more eosin"),
    ],
)
def test_a_planted_shift_is_the_largest(
    tmp_path: Path, change: Callable[[UInt8], UInt8], measure: str, direction: str
) -> None:
    found = compared(tmp_path, patches_of(1, 2 * NUM), change(patches_of(2, NUM)))
    assert sizes(found)[measure] == direction
    assert str(found.shift_sentence()).startswith("Compared with validation")
    assert direction in str(found.shift_sentence())


def test_a_shift_of_the_scores_alone_is_found(tmp_path: Path) -> None:
    found = compared(tmp_path, patches_of(1, 2 * NUM), patches_of(2, NUM), rise=0.2)
    assert sizes(found) == {"probability": "have higher probabilities"}
    # Of uniform variables that are 0.2 apart: 1 - 0.8 ** 2 / 2 (up to the clipped end).
    assert found.shifts[-1].superiority == pytest.approx(0.68, abs=0.06)
    assert found.largest == found.shifts[-1].strength


def test_copies_are_counted_exact_turned_and_once(tmp_path: Path) -> None:
    labelled, unlabelled = patches_of(1, 2 * NUM), patches_of(2, NUM)
    unlabelled[:3] = labelled[:3]
    unlabelled[3:5] = symmetries.turn(labelled[5:7], 3)
    unlabelled[5] = unlabelled[0]  # a copy of a copy
    unlabelled[7] = unlabelled[8]  # of each other only
    found = compared(tmp_path, labelled, unlabelled)
    assert found.num_copies == 6
    assert str(found.copies_sentence()).startswith("6 of the 200 unlabelled patches are copies")


def test_without_a_side_nothing_is_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, patches_of(1, 4), patches_of(2, 4)[:0])
    assert (found.shifts, found.num_copies, found.largest) == ((), 0, None)
    assert found.shift_sentence() is None


@pytest.mark.parametrize("num", [1, 3])
def test_few_patches_show_no_shift_however_different(tmp_path: Path, num: int) -> None:
    found = compared(tmp_path, patches_of(1, 2 * NUM), np.zeros((num, 96, 96, 3), np.uint8))
    assert sizes(found) == {}
    assert {shift.superiority for shift in found.shifts} >= {0}
    assert found.largest is None
    assert "can't be told" in str(found.shift_sentence())


def test_sides_that_are_entirely_apart_are_a_large_shift(tmp_path: Path) -> None:
    found = compared(tmp_path, patches_of(1, 2 * NUM), np.zeros((20, 96, 96, 3), np.uint8))
    assert sizes(found)["brightness"] == "are darker"
    assert str(found.shift_sentence()).count("(large, 1.00)") >= 2
    assert found.largest == 1


def test_a_blurred_patch_is_less_sharp(tmp_path: Path) -> None:
    patches = patches_of(3, 8)
    compared(tmp_path, patches, blurred(patches))
    read = shards.read(tmp_path)
    found = shifting.sharpness(read, shards.places(read.index))
    assert (found[8:] < found[:8]).all()


@pytest.mark.parametrize(
    ("superiority", "low", "high", "size"),
    [
        (0.5, None, None, "unknown"),
        (1.0, None, None, "unknown"),  # of too few groups
        (0.55, 0.52, 0.58, "none"),
        (0.6, 0.45, 0.7, "none"),  # chance may explain it
        (0.6, 0.55, 0.65, "small"),
        (0.36, 0.3, 0.4, "medium"),
        (0.1, 0.05, 0.2, "large"),
        (1.0, 1.0, 1.0, "large"),  # entirely apart
    ],
)
def test_the_size_of_a_shift_is_cohens(
    superiority: float, low: float | None, high: float | None, size: str
) -> None:
    assert Shift(measure="eosin", superiority=superiority, low=low, high=high).size == size


def test_the_sizes_are_those_of_normal_variables() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 400_000))
    for name, apart in (("small", 0.2), ("medium", 0.5), ("large", 0.8)):
        assert SIZES[name] == pytest.approx((one + apart > other).mean(), abs=0.003)
