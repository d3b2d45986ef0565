"""Tests of `validate.slide_names`: which names are probably none, and which stay names."""

import pandas as pd
import pytest

from metastasis.validate import slide_names

CAMELYON16 = [
    f"{kind}_{number:03d}" for kind in ("normal", "tumor", "test") for number in range(1, 31)
]
FILLERS = ["0", "9999", "excluded", "x", "slide"]


def series(names: list[str]) -> pd.Series:
    return pd.Series(names, dtype="str")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["t_001", "t_002", "t_3", "t_4", "t_5", "lost"], {"lost"}),
        (["1", "2", "3", "4", "5", "999"], set()),  # a number like the others
        (["a_1", "b_1", "c_1", "d_1", "e_1", "f_1"], set()),  # no form that several share
        (["t_1", "t_2", "other"], set()),  # too few to say
        (CAMELYON16, set()),
        ([*CAMELYON16, "excluded", "slide_1"], {"excluded", "slide_1"}),
        ([*CAMELYON16, *FILLERS], set(FILLERS)),
        ([*CAMELYON16, "0", "9", "99", "999"], {"0", "9", "99", "999"}),
        ([f"t_{number}" for number in range(6)] + list("abcdef"), set()),  # half of the names
        ([], set()),
    ],
)
def test_the_names_of_a_rare_form_are_odd(names: list[str], expected: set[str]) -> None:
    assert {text.split("'")[1] for text in slide_names.odd(series(names))} == expected


def test_an_odd_name_is_given_with_its_number_of_rows() -> None:
    assert slide_names.odd(series([*CAMELYON16, "lost", "lost", ""])) == ["'lost' in 2 rows"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([*CAMELYON16, *FILLERS, "block 7", "10", "90"], set(FILLERS)),
        ([*CAMELYON16, "0", "9", "99", "999"], {"0", "9", "99", "999"}),
        ([*map(str, range(20)), "99", "9999", "x"], {"99", "9999", "x"}),  # 0 and 9 are names
        ([*(str(10**30 + number) for number in range(9)), "9" * 40], {"9" * 40}),
        ([*map(str, range(120)), "999"], {"999"}),  # 98 is a name, 998 isn't
        ([*map(str, range(90, 100))], set()),
        (["alpha", "beta", "gamma", "delta", "epsilon", "0"], set()),
        (["t_1", "t_2", "excluded"], set()),  # too few to say
        ([], set()),
    ],
)
def test_odd_words_zeros_and_nines_are_placeholders(names: list[str], expected: set[str]) -> None:
    assert slide_names.placeholders(series(names)) == expected


@pytest.mark.parametrize(
    ("num_slides", "num_patches", "is_found"),
    [(100, 100, True), (90, 100, True), (80, 100, False), (60, 100, False), (9, 9, False)],
)
def test_nearly_as_many_slides_as_patches_are_found(
    num_slides: int, num_patches: int, *, is_found: bool
) -> None:
    """Rows without a name, and second rows of a patch, don't count."""
    rows = [*range(num_patches), *range(num_patches)]
    ids = series([f"id{row}" for row in [*rows, 1000, 1001]])
    names = series([f"s_{row % num_slides}" for row in rows] + ["", ""])
    found = slide_names.one_for_each_patch(ids, names, "slide")
    text = f"{num_slides} slides for {num_patches} patches (s_0, s_1, s_2, ...)"
    assert found == ([text] if is_found else [])


def merged(paths: list[str]) -> list[str]:
    names = series([path.rpartition("/")[2] for path in paths])
    return slide_names.merged_folders(series(paths), names)


def test_numbers_that_restart_in_each_slides_folder_are_found() -> None:
    """The slides hold different numbers of patches."""
    sizes = (30, 10, 7, 5, 5, 5)
    paths = [f"/data/s{slide}/patch_{n}" for slide, size in enumerate(sizes) for n in range(size)]
    found = merged(paths)
    assert len(found) == 7
    assert found[0] == "'patch_0' in 6 folders (data/s0, data/s1, data/s2, ...)"


@pytest.mark.parametrize(
    "paths",
    [
        [f"/data/s{slide}/s{slide}" for slide in range(20)],
        [f"/mnt/{disk}/s{slide}" for slide in range(20) for disk in "ab"],  # two places
        [f"/data/s{slide}/s{slide}" for slide in range(9)] + [f"/x{n}/s1" for n in range(5)],
        [f"s{slide}" for slide in range(9)] * 3,
        [],
    ],
)
def test_paths_that_end_in_the_slides_name_are_left_alone(paths: list[str]) -> None:
    assert merged(paths) == []
