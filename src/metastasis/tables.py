"""Knows the tables that stages hand on: how to read them, and what a split of them is worth."""

from pathlib import Path

import pandas as pd

SPLITS = ("train", "validation", "test")


def read_patches(path: Path) -> pd.DataFrame:
    """Return a manifest or split: text id and slide (missing: unknown), label 0 or 1."""
    return pd.read_csv(path, dtype={"id": "str", "label": "int64", "slide": "str"})


def is_slide_disjoint(patches: pd.DataFrame) -> bool:
    """Return whether every patch has a slide and no slide stands in two splits."""
    is_known = bool(patches["slide"].notna().all())
    return is_known and int(patches.groupby("slide")["split"].nunique().max()) == 1
