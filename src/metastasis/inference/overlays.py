"""Draws a region or slide beside its heat map, for readers without a viewer of slides."""

from pathlib import Path

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from metastasis import plotting
from metastasis.base import files
from metastasis.inference import views
from metastasis.inference.rasters import Box
from metastasis.inference.views import View
from metastasis.patches.shards import UInt8

LONGEST = 800  # pixels of the thumbnail
BAND = 64  # rows of the thumbnail that are read at a time
WIDTH, LEAST_HEIGHT, MOST_HEIGHT = 12.0, 3.0, 9.0  # inches
REST = 1.1  # inches: title, legend
MAP = colors.LinearSegmentedColormap.from_list(
    "probability", [plotting.BLUE, "#F2F2F2", plotting.ORANGE]
)


def write(path: Path, view: View, probabilities: NDArray[np.float64], threshold: float, name: str) -> None:
    """Write a PNG: the image, and the image with each scored cell in the colour of its probability.

    Lines surround the cells that are called tumour. Glass, which isn't scored, has no colour.
    """
    image = thumbnail(view)
    height, width = image.shape[:2]
    inches = float(np.clip(WIDTH / 2 * height / width, LEAST_HEIGHT, MOST_HEIGHT))
    figure = Figure(figsize=(WIDTH, inches + REST), layout="constrained")
    left, right = figure.subplots(1, 2)
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    for axes, shown in ((left, image), (right, grey)):
        axes.imshow(shown, extent=(0, view.size.width, view.size.height, 0))
        axes.set(xticks=[], yticks=[])
    rows, columns = probabilities.shape
    stride = _stride(view, probabilities)
    shown = np.ma.masked_invalid(probabilities)
    extent = (0, columns * stride, rows * stride, 0)
    heat = right.imshow(shown, cmap=MAP, vmin=0, vmax=1, alpha=0.6, extent=extent, interpolation="none")
    right.set(xlim=(0, view.size.width), ylim=(view.size.height, 0))
    _outline(right, np.nan_to_num(probabilities) >= threshold, stride)
    bar = figure.colorbar(heat, ax=right, shrink=0.8)
    bar.set_label("probability of tumour in the central 32x32 of a patch")
    bar.ax.axhline(threshold, color="black", linewidth=1.5)
    left.set_title("the image", fontsize=10)
    right.set_title("the heat map; bare glass isn't scored", fontsize=10)
    line = Line2D([], [], color="black", linewidth=1.2, label=f"called tumour: at least {threshold:.2f}")
    figure.legend(handles=[line], loc="outside lower right", fontsize=9, frameon=False)
    figure.suptitle(name, fontsize=11)
    content = plotting.png(figure, "Research software. Not a medical device.")
    with files.whole_file(path) as partial:
        partial.write_bytes(content)
