"""Defines what all figures share: colours, sizes, the centre's box, and reproducible bytes.

Each stage draws its own figures.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from metastasis.patches import shards

# Okabe and Ito's colours, which colour-blind readers can distinguish. In every figure blue means no
# tumour and orange means tumour, and they mean nothing else.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#888888"
PARTS = {"train": "#56B4E9", "validation": "#CC79A7", "test": "#009E73"}
STYLES = {"train": ":", "validation": "--", "test": "-"}  # distinct in greyscale, too

NARROW, BROAD = 4.8, 9.8  # inches: half of a page's row, or all of it


def save(figure: Figure, path: Path, note: str = "") -> None:
    """Write `figure`, with `note` above it, as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure, note))


def png(figure: Figure, note: str = "") -> bytes:
    """Return `figure`, with `note` above it, as PNG without matplotlib's version in it."""
    if note:
        # At the top: below, it would overlap legends, whose space the layout doesn't reserve.
        title = figure.get_suptitle()
        figure.suptitle(f"{title}\n{note}" if title else note, fontsize=9, style="italic")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def svg(draw: Callable[[], Figure], ink: str) -> str:
    """Return the figure of `draw` as SVG: text and axes in the colour `ink`, without a background.

    Text stays text. The SVG has no date, and its ids are salted with a constant.
    """
    buffer = io.StringIO()
    with mpl.rc_context(
        {
            "text.color": ink,
            "axes.edgecolor": ink,
            "axes.labelcolor": ink,
            "xtick.color": ink,
            "ytick.color": ink,
            "font.size": 9,
            "axes.titlesize": 10,
            "svg.fonttype": "none",
            "svg.hashsalt": "metastasis",
        }
    ):
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        draw().savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return buffer.getvalue()


def new_axes(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches, and its axes, without a top and right border."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def new_gallery(
    title: str, captions: Sequence[str], num_columns: int, *, row_height: float, rest: float
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels without ticks, one above each caption, in rows of `num_columns`.

    Heights are in inches: of a row with its captions, and of the title with whatever else is drawn.
    """
    num_rows = max(-(-len(captions) // num_columns), 1)
    figure = Figure(figsize=(BROAD, row_height * num_rows + rest), layout="constrained")
    figure.suptitle(title if captions else f"{title}: none", fontsize=11)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel().tolist()
    for axes in panels[len(captions) :]:
        axes.set_axis_off()
    for axes, caption in zip(panels, captions, strict=False):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(caption, fontsize=8)
    return figure, panels[: len(captions)]


def caption(name: str, most: int) -> str:
    """Return a name from the data as matplotlib draws it as it is, with its middle cut out.

    At most `most` characters are left, with both ends: names of slides differ at the end, too. Two
    dollars would make what is between them TeX.
    """
    if len(name) > most:
        start = most // 2
        name = f"{name[:start]}…{name[start + 1 - most :]}"
    return name.replace("$", r"\$")


def centre_box(size: int, origin: tuple[int, int]) -> Rectangle:
    """Return the outline of the central 32x32 of a patch whose first pixel is at `origin`."""
    x, y = (shards.centre(size).start - 0.5 + start for start in origin)
    side = shards.CENTRE_SIZE
    return Rectangle((x, y), side, side, fill=False, edgecolor="#FFE14D", linewidth=1)
