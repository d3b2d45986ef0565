"""Knows the tables of the pipeline: how to read them, and what a split of them is worth."""

from pathlib import Path

import pandas as pd

from metastasis.errors import InputError

SPLITS = ("train", "validation", "test")


def read_text(path: Path) -> pd.DataFrame:
    """Return a source's CSV with every cell as the text it is, also one that says NA or 007.

    Raises:
        InputError: the file is missing, empty, not UTF-8 or no CSV.
    """
    try:
        return pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path.name} is missing in the source.") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not a CSV with a header, in UTF-8: {error}") from None


def read_patches(path: Path) -> pd.DataFrame:
    """Return a manifest or split: text id and slide (missing: unknown), label 0 or 1."""
    return pd.read_csv(
        path,
        dtype={"id": "str", "label": "int64", "slide": "str"},
        keep_default_na=False,  # a slide may well be called NA
        na_values={"slide": [""]},
    )


def is_slide_disjoint(patches: pd.DataFrame) -> bool:
    """Return whether every patch has a slide and no slide stands in two splits."""
    is_known = bool(patches["slide"].notna().all())
    return is_known and int(patches.groupby("slide")["split"].nunique().max()) == 1
