"""Draws figures from arrays and saves them to the same bytes each time. Reads no file."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from metastasis import numbers
from metastasis.patches.shards import CENTRE_SIZE, UInt8

# Okabe and Ito's colours, told apart by colour-blind readers. In every figure blue is no tumour and
# orange is tumour, and nothing else is.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#888888"
PARTS = {"train": "#56B4E9", "validation": "#CC79A7", "test": "#009E73"}
STYLES = {"train": ":", "validation": "--", "test": "-"}  # told apart in grey, too
BEFORE, AFTER = "#7F3C8D", "#222222"  # calibration
LEAK = "#F0E442"

NARROW, BROAD = 4.8, 9.8  # inches: a figure has half of a page's row or all of it
SHARES = LinearSegmentedColormap.from_list("shares", [BLUE, "#999999", ORANGE])

MAX_SLIDES = 400  # points beside each other; of more slides every nth is drawn
NUM_BINS = 64

SHEET_WIDTH = 8.4  # inches
SHEET_GAP = 6  # pixels between patches

Floats = NDArray[np.floating]


def save(figure: Figure, path: Path, note: str = "") -> None:
    """Write `figure`, above it `note`, as PNG without the metadata of matplotlib's version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if note:
        # Above all else: below, it would lie on legends, whose room the layout doesn't know.
        title = figure.get_suptitle()
        figure.suptitle(f"{title}\n{note}" if title else note, fontsize=9, style="italic")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def svg(draw: Callable[[], Figure], ink: str) -> str:
    """Return the figure that `draw` makes as SVG, text and axes in the colour `ink` on nothing.

    Text stays text. There is no date in it, and names are salted with a constant.
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


def class_balance(num_negative: int, num_positive: int) -> Figure:
    """Bars of the two classes with count and share."""
    figure, axes = new_axes("Class balance", NARROW, 3.6)
    total = num_negative + num_positive
    bars = axes.bar(["no tumour", "tumour"], [num_negative, num_positive], color=[BLUE, ORANGE])
    axes.bar_label(
        bars,
        [f"{n:,}\n{numbers.percent(n / total)}" for n in (num_negative, num_positive)],
        padding=2,
    )
    axes.set(ylabel="patches", xlabel="central 32x32")
    axes.margins(y=0.2)
    return figure


def samples(patches: Mapping[str, UInt8], num_columns: int = 8) -> Figure:
    """One contact sheet a title, each of (n, size, size, 3) uint8 patches, the centre boxed."""
    sheets = {title: _contact_sheet(group, num_columns) for title, group in patches.items()}
    heights = [sheet.shape[0] / sheet.shape[1] for sheet in sheets.values()]
    height = SHEET_WIDTH * sum(heights) + 0.45 * len(sheets)
    figure = Figure(figsize=(SHEET_WIDTH, height), layout="constrained")
    panels = figure.subplots(len(sheets), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (title, sheet), group in zip(panels, sheets.items(), patches.values(), strict=True):
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
        axes.imshow(sheet, interpolation="nearest")
        size = group.shape[1] + SHEET_GAP
        for number in range(len(group)):
            row, column = divmod(number, num_columns)
            axes.add_patch(centre_box(group.shape[1], (column * size, row * size)))
    return figure


def _contact_sheet(patches: UInt8, num_columns: int) -> UInt8:
    """Lay (n, size, size, 3) patches out on white, in rows."""
    size = patches.shape[1] + SHEET_GAP
    num_rows = -(-len(patches) // num_columns)
    sheet = np.full((num_rows * size, num_columns * size, 3), 255, np.uint8)
    for number, patch in enumerate(patches):
        row, column = divmod(number, num_columns)
        sheet[row * size :, column * size :][: patch.shape[0], : patch.shape[1]] = patch
    return sheet[:-SHEET_GAP, :-SHEET_GAP]


def history(metrics: Mapping[str, Mapping[str, tuple[Floats, Floats]]]) -> Figure:
    """One panel a metric; in each, one line (epochs, values) a split."""
    figure = Figure(figsize=(BROAD, 3.6), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, (name, lines) in zip(panels, metrics.items(), strict=True):
        for label, (x, y) in lines.items():
            axes.plot(x, y, STYLES[label], color=PARTS[label], label=label, marker=".")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def split_balance(table: Mapping[str, tuple[int, int]]) -> Figure:
    """Stacked bars (negative, positive) of each split, with its size and share of positives."""
    figure, axes = new_axes("Splits", NARROW, 3.6)
    names = list(table)
    negative, positive = np.array([table[name] for name in names]).T
    axes.bar(names, negative, color=BLUE, label="no tumour")
    bars = axes.bar(names, positive, bottom=negative, color=ORANGE, label="tumour")
    texts = [
        f"{total:,}\n{share:.1%} tumour"
        for total, share in zip(negative + positive, positive / (negative + positive), strict=True)
    ]
    axes.bar_label(bars, texts, padding=2)
    axes.set(ylabel="patches")
    axes.margins(y=0.25)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def class_densities(
    values: Mapping[str, Floats],
    *,
    xlabel: str,
    limits: tuple[float, float],
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Overlaid histograms of each class (no tumour, tumour), of the same area; marks are dotted."""
    figure, axes = new_axes("", 3.6, 2.7)
    bins = np.linspace(*limits, NUM_BINS + 1)
    for (name, group), colour in zip(values.items(), (BLUE, ORANGE), strict=True):
        counts, _ = np.histogram(group, bins)
        density = counts / max(counts.sum(), 1) / np.diff(bins)
        axes.stairs(density, bins, fill=True, color=colour, alpha=0.25)
        axes.stairs(density, bins, color=colour, label=name, linewidth=1.4)
    for name, mark in (marks or {}).items():
        axes.axvline(mark, color=GREY, linestyle=":", linewidth=1.2)
        axes.annotate(
            name,
            (mark, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-2, -2),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            fontsize=8,
        )
    axes.set(xlabel=xlabel, ylabel="density", xlim=limits, yticks=[])
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return figure


def slide_quartiles(panels: Mapping[str, Floats], shares: Floats) -> Figure:
    """One panel a measure: the median of each slide between its quartiles, sorted by the median.

    A panel is (n, 3): lower quartile, median, upper quartile. `shares` (n,) are the slides' shares
    of positives, and colour the medians.
    """
    figure = Figure(figsize=(9.6, 2.1 * len(panels) + 0.3), layout="constrained")
    all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (name, quartiles) in zip(all_axes, panels.items(), strict=True):
        order = np.argsort(quartiles[:, 1], kind="stable")
        ranks = np.unique(np.linspace(0, len(order) - 1, MAX_SLIDES).round().astype(int))
        low, median, high = quartiles[order[ranks]].T
        bars = np.stack([low, high, np.full_like(low, np.nan)], axis=1).ravel()
        axes.plot(np.repeat(ranks + 1, 3), bars, color=GREY, linewidth=1, alpha=0.6)
        points = axes.scatter(
            ranks + 1,
            median,
            s=14,
            c=shares[order[ranks]],
            cmap=SHARES,
            vmin=0,
            vmax=1,
            zorder=3,
            linewidths=0,
        )
        axes.set(ylabel=name, xlim=(0, len(order) + 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[-1].set_xlabel("slides, sorted by the median in each panel")
    bar = figure.colorbar(points, ax=all_axes, label="share with tumour", pad=0.01, aspect=40)
    bar.outline.set_visible(False)
    return figure


def slide_sizes(sizes: Mapping[str, NDArray[np.integer]]) -> Figure:
    """Patches of each slide, a panel a split, in the order they are given."""
    figure = Figure(figsize=(BROAD, 3.2), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, (name, values) in zip(panels, sizes.items(), strict=True):
        axes.bar(np.arange(1, len(values) + 1), values, width=1.0, color=PARTS[name])
        axes.set(title=f"{name}: {len(values)} slides", xlabel="slides, by size")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("patches")
    return figure


def leaks(counts: Mapping[tuple[str, str], Mapping[str, int]]) -> Figure:
    """A table of what stands in both splits of each pair; cells that aren't 0 are coloured."""
    figure, axes = new_axes("What stands in two splits", NARROW, 3.0)
    has_patients = any("num_patients" in pair for pair in counts.values())
    rows = {
        **({"num_patients": "patients"} if has_patients else {}),
        "num_slides": "slides",
        "num_exact_copies": "exact copies,\npairs",
        "num_near_copies": "near copies,\npairs",
    }
    is_leak = np.array([[pair.get(row, 0) > 0 for pair in counts.values()] for row in rows])
    colours = ListedColormap(["white", LEAK])
    axes.imshow(is_leak, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(rows):
        for x, pair in enumerate(counts.values()):
            text = f"{pair[row]:,}" if row in pair else "unknown"
            axes.text(x, y, text, ha="center", va="center", weight="bold")
    axes.set_xticks(range(len(counts)), [",\n".join(pair) for pair in counts])
    axes.set_yticks(range(len(rows)), rows.values())
    axes.set_xticks(np.arange(1, len(counts)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color="#DDDDDD")
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def new_axes(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches, and its only axes, open at the top and right."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def centre_box(size: int, origin: tuple[int, int]) -> Rectangle:
    """Return the outline of the central 32x32 of a patch whose first pixel is at `origin`."""
    x, y = ((size - CENTRE_SIZE) / 2 - 0.5 + start for start in origin)
    return Rectangle((x, y), CENTRE_SIZE, CENTRE_SIZE, fill=False, edgecolor="#FFE14D", linewidth=1)
