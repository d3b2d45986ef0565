"""Finds names that are probably no slide's or patient's: placeholders, patches, names of files.

`slide_maps` reads the names; `naming` knows the words for "missing" and which spellings are one.
"""

import numpy as np
import pandas as pd

from metastasis.base.errors import named
from metastasis.validate import naming

MIN_FORMS = 5  # the fewest names of which a form can be expected
MIN_COMMON = 3  # the fewest names that make their form a common one
NUMBER = "9"  # the form of bare numbers
# Samples of few patches may hold one of each slide: of 100 patches of Camelyon16, drawn at random
# from 216 slides, about 80 slides.
MIN_PATCHES, PATCH_SHARE = 10, 0.9
MIN_CONTAINED = 16  # characters of an id that isn't part of a slide's name by chance
FAR = 2  # times the largest other number
MIN_FOLDERS = 3  # two may be two places of the same files
MAX_MERGED = 0.5  # of the rows


def odd(names: pd.Series) -> list[str]:
    """Return the names of a rare form, if most names have common ones.

    Letters and digits make the form: of train_001, train_002 and other, the last is odd.
    """
    counts = names[names != ""].value_counts()
    is_odd = _are_odd(pd.Series(counts.index, dtype="str")).to_numpy()
    return [f"'{name}' in {count:,} rows" for name, count in counts[is_odd].items()]


def placeholders(names: pd.Series) -> set[str]:
    """Return the odd names without digits, and those of only zeros or only nines.

    Among numbers, 0 may be a name. There, two or more nines are a placeholder if they are far
    above the largest other number.
    """
    different = pd.Series(names[names != ""].unique(), dtype="str")
    is_filler = ~different.str.contains(r"\d") | different.str.fullmatch("0+|9+")
    found = set(different[is_filler & _are_odd(different)])
    if NUMBER in _common_forms(different):
        numbers = different[different.str.fullmatch(r"\d+")]
        values = numbers.map(float)  # numbers of any length
        is_nines = numbers.str.fullmatch("99+")
        found |= set(numbers[is_nines & (values > FAR * values[~is_nines].max())])
    return found


def _are_odd(different: pd.Series) -> pd.Series:
    common = _common_forms(different)
    return ~_forms(different).isin(common) & bool(common)


def _common_forms(different: pd.Series) -> set[str]:
    """Return the forms of several names, if more than half of the names have one of them."""
    counts = _forms(different[~different.str.fullmatch("0+|9+")]).value_counts()
    common = counts[counts >= MIN_COMMON]
    is_enough = len(different) >= MIN_FORMS and common.sum() > len(different) / 2
    return set(common.index) if is_enough else set()


def _forms(names: pd.Series) -> pd.Series:
    return names.str.replace(r"\d+", NUMBER, regex=True)


def are_patches(ids: pd.Series, written: pd.Series, names: pd.Series) -> pd.Series:
    """Return for each row whether its slide or patient is named as the patch itself.

    The name is the id, or contains it if it is long. No other patch has the name.
    """
    ids = naming.file_names(ids)
    is_alone = (names != "") & (ids.groupby(names).transform("nunique") == 1)
    pairs = zip(ids, names, strict=True)
    is_part = np.array([len(id_) >= MIN_CONTAINED and id_ in name for id_, name in pairs], "bool")
    return is_alone & ((naming.file_names(written) == ids) | is_part)


def one_for_each_patch(ids: pd.Series, names: pd.Series, unit: str) -> list[str]:
    """Return a finding if nearly every patch has a slide or patient of its own."""
    is_named = names != ""
    different = names[is_named].unique().tolist()
    num_names, num_patches = len(different), ids[is_named].nunique()
    if num_patches < MIN_PATCHES or num_names < PATCH_SHARE * num_patches:
        return []
    return [f"{num_names:,} {unit}s for {num_patches:,} patches ({named(different)})"]


def merged_folders(written: pd.Series, names: pd.Series) -> list[str]:
    """Return the names that files in many folders have, if most rows are named so."""
    pairs = pd.DataFrame({"name": names, "folder": naming.folders(written)})
    pairs = pairs[pairs["name"] != ""]
    num_folders = pairs.groupby("name")["folder"].transform("nunique")
    merged = pairs[num_folders >= MIN_FOLDERS]
    if len(merged) <= MAX_MERGED * len(pairs):
        return []
    groups = merged.drop_duplicates().groupby("name")["folder"]
    return [
        f"'{name}' in {len(folders):,} folders ({named(sorted(folders))})"
        for name, folders in groups
    ]
