"""Draws patches that overlap, stitched together, with their labels and probabilities."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from metastasis import plotting, tables
from metastasis.patches.shards import PATCH, Patches
from metastasis.regions import drawing
from metastasis.results import numbers

NUM_REGIONS = 6
NAME_LENGTH = 22  # characters
NUM_WRONG = 3  # of them, those with the most wrong calls; the others are the largest
TITLE = "Patches that overlap, stitched: most wrong calls first, then the largest regions"
LEGEND = (
    f"{drawing.LEGEND}A number is the probability of tumour; a thick box is called otherwise; "
    "a grey one is of another part, or of a patch without a label."
)


def draw(placed: pd.DataFrame, part: pd.DataFrame, patches: Patches) -> Figure:
    """Draw the regions with several patches of `part`.

    `placed` has the columns of `shards.REGION_COLUMNS`, `part` has id, label, probability and
    is_called. `patches` are the whole patches.
    """
    chosen = _chosen(_with_scores(placed, part))
    return drawing.draw(TITLE, [drawing.show(*each, patches) for each in chosen], LEGEND)


def _with_scores(placed: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of regions with several patches of `part`, with what `drawing` needs."""
    known = part[["id", "label", "probability", "is_called"]].assign(pool="labelled")
    regions = placed.merge(known, on=PATCH, how="left")
    is_scored = regions["label"].notna()
    shown = regions["probability"].map("{:.2f}".format)
    regions["said"] = shown.where(is_scored, "")
    regions["is_wrong"] = is_scored & (regions["label"].eq(1) != regions["is_called"].eq(1))
    regions["label"] = regions["label"].fillna(-1).astype(np.int64)
    num_scored = is_scored.groupby(regions["region"]).transform("sum")
    return regions[num_scored > 1]


def _chosen(regions: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield the caption, the patches and the patch in focus of each region to draw."""
    counts = regions.groupby("region").agg(num_wrong=("is_wrong", "sum"), size=("id", "size"))
    most = counts.sort_values(["num_wrong", "size"], ascending=False, kind="stable")
    wrong = most.index[most["num_wrong"] > 0][:NUM_WRONG]
    largest = counts.drop(wrong).sort_values("size", ascending=False, kind="stable").index
    for name in [*wrong, *largest[: NUM_REGIONS - len(wrong)]]:
        region = regions[regions["region"] == name]
        num_wrong, size = counts.loc[name]
        focus = region.sort_values("is_wrong", ascending=False, kind="stable")["id"].iloc[0]
        shown = plotting.caption(tables.brief(name), NAME_LENGTH)
        caption = f"{shown}: {numbers.count(size, 'patch', 'patches')}"
        yield f"{caption}, {num_wrong:,} called wrongly", region, focus
