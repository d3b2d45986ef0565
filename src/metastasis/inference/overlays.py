"""Draws a region or slide beside its heat map, for readers without a viewer of slides."""

from pathlib import Path

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from shapely.geometry import Polygon

from metastasis import plotting
from metastasis.base import files
from metastasis.inference.region_judging import Scored
from metastasis.patches.shards import UInt8

WIDTH, LEAST_HEIGHT, MOST_HEIGHT = 12.0, 3.0, 9.0  # inches of both panels
REST = 1.0  # inches: titles and legend
GREY = "#F2F2F2"  # between both colours: a probability of 0.5
MAP = LinearSegmentedColormap.from_list("probability", [plotting.BLUE, GREY, plotting.ORANGE])
RESEARCH = "Research software. Not a medical device."


def write(
    path: Path, image: UInt8, scored: Scored, outlines: list[Polygon], threshold: float
) -> None:
    """Write a PNG: the image, and the image with each scored cell in the colour of its probability.

    `image` is the view's thumbnail. Lines follow `outlines`, in pixels of the image's largest
    level, of the cells that are called tumour. Glass isn't scored, and has no colour.
    """
    width, height = scored.size
    inches = float(np.clip(WIDTH / 2 * height / width, LEAST_HEIGHT, MOST_HEIGHT))
    figure = Figure(figsize=(WIDTH, inches + REST), layout="constrained")
    figure.suptitle(path.stem, fontsize=11, parse_math=False)
    left, right = figure.subplots(1, 2)
    grey = np.broadcast_to(image.mean(axis=2, keepdims=True).astype(np.uint8), image.shape)
    panels = ((left, image, "the image"), (right, grey, "its heat map; bare glass isn't scored"))
    for axes, shown, title in panels:
        axes.imshow(shown, extent=(0, width, height, 0))
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=10)
    rows, columns = scored.logits.shape
    side = scored.grid.stride
    heat = right.imshow(
        np.ma.masked_invalid(scored.probabilities),
        extent=(0, columns * side, rows * side, 0),
        cmap=MAP, vmin=0, vmax=1, alpha=0.65, interpolation="nearest",
    )  # fmt: skip
    _surround(right, outlines, scored.scale)
    right.set(xlim=(0, width), ylim=(height, 0))
    bar = figure.colorbar(heat, ax=right, shrink=0.8)
    bar.set_label("probability of tumour in the patch's central square", fontsize=9)
    label = f"called tumour: probability of at least {threshold:.2f}"
    line = Line2D([], [], color="black", linewidth=1, label=label)
    figure.legend(handles=[line], loc="outside lower right", fontsize=9, frameon=False)
    content = plotting.png(figure, RESEARCH)
    with files.whole_file(path) as partial:
        partial.write_bytes(content)


def _surround(axes: Axes, outlines: list[Polygon], scale: float) -> None:
    rings = [ring for each in outlines for ring in (each.exterior, *each.interiors)]
    lines = [shapely.get_coordinates(ring) / scale for ring in rings]
    axes.add_collection(LineCollection(lines, colors="black", linewidths=0.8))
