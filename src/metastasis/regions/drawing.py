"""Draws regions of patches that overlap, stitched together, with each patch's centre and label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from metastasis import plotting
from metastasis.patches import shards
from metastasis.patches.shards import CENTRE_SIZE, CORNER, PATCH, PATCH_SIZE, Patches, UInt8
from metastasis.regions import labelling
from metastasis.regions.labelling import Cell

NUM_COLUMNS = 3
CELL_HEIGHT = 3.4  # inches: a region with its caption
MAX_REACH = 192  # pixels between the corner of the patch in focus and those drawn with it
MAX_TEXTS = 30  # patches of a region; more numbers would cover it
BLANK = 235  # grey where no patch is
INKS = {0: plotting.BLUE, 1: plotting.ORANGE}  # of labels
# Colour and opacity of what the labels say about a cell.
TINTS = {
    Cell.FREE: (plotting.BLUE, 0.25),
    Cell.POSSIBLE: (plotting.ORANGE, 0.15),
    Cell.TUMOUR: (plotting.ORANGE, 0.45),
}
LEGEND = (
    "Boxes are the centres that labels are about: orange tumour, blue none.\n"
    "By these labels alone, blue places are free of tumour, pale orange ones may hold it, strong "
    "orange ones must.\n"
)


@dataclass(frozen=True)
class Shown:
    """A region to draw.

    `patches` has the columns pool, id, down, right, label (0, 1 or -1 for none), said (a text for
    the centre's box) and is_wrong (whether its box is thick).
    """

    caption: str
    patches: pd.DataFrame
    pixels: UInt8


def show(caption: str, region: pd.DataFrame, focus: str, patches: Patches) -> Shown:
    """Return the part of a region around the patch `focus`, with its pixels from `patches`."""
    place = region.loc[region["id"] == focus, CORNER].iloc[0]
    is_near = ((region[CORNER] - place).abs() <= MAX_REACH).all(axis=1)
    near = region[is_near].reset_index(drop=True)
    near[CORNER] -= near[CORNER].min()
    return Shown(caption, near, stitch(near, patches))


def stitch(region: pd.DataFrame, patches: Patches) -> UInt8:
    """Return the pixels of a region, (height, width, 3) uint8 RGB, grey where no patch is.

    `region` has the columns pool, id, down and right; `patches` are of 96x96 pixels.
    """
    height, width = region[CORNER].max() + PATCH_SIZE
    canvas = np.full((height, width, 3), BLANK, np.uint8)
    index = region[PATCH].merge(patches.index, on=PATCH, how="left")
    places = region[CORNER].to_numpy()
    for (down, right), pixels in zip(places, patches.take(shards.places(index)), strict=True):
        canvas[down : down + PATCH_SIZE, right : right + PATCH_SIZE] = pixels
    return canvas


def draw(title: str, regions: Sequence[Shown], legend: str = LEGEND) -> Figure:
    """Draw each region with its centres' boxes, and what the labels say about each place."""
    captions = [region.caption for region in regions]
    figure, panels = plotting.new_gallery(
        title, captions, NUM_COLUMNS, row_height=CELL_HEIGHT, rest=0.8
    )
    figure.supxlabel(legend.strip(), fontsize=8)
    for axes, region in zip(panels, regions, strict=True):
        _draw(axes, region)
    return figure


def _draw(axes: Axes, region: Shown) -> None:
    height, width = region.pixels.shape[:2]
    extent = (0, width, height, 0)
    axes.imshow(region.pixels, interpolation="nearest", extent=extent)
    cells = labelling.cells(region.patches)
    tint = np.zeros((*cells.states.shape, 4))
    for cell, (colour, opacity) in TINTS.items():
        tint[cells.states == cell] = (*to_rgb(colour), opacity)
    axes.imshow(tint, interpolation="nearest", extent=extent)
    start = shards.centre(PATCH_SIZE).start
    columns = [*CORNER, "label", "said", "is_wrong"]
    for down, right, label, said, is_wrong in region.patches[columns].itertuples(index=False):
        ink, corner = INKS.get(label, plotting.GREY), (right + start, down + start)
        box = Rectangle(corner, CENTRE_SIZE, CENTRE_SIZE, fill=False, edgecolor=ink)
        box.set_linewidth(3 if is_wrong else 1.2)
        axes.add_patch(box)
        beside = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        if said and len(region.patches) <= MAX_TEXTS:
            axes.text(
                corner[0] + 1, corner[1] + 1, said, color=ink, fontsize=7, va="top", bbox=beside
            )
