"""Draws the gate's figures: classes, samples, densities of measures, slides. Reads no files."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from metastasis import plotting
from metastasis.patches.shards import UInt8
from metastasis.results import numbers

SHARES = LinearSegmentedColormap.from_list("shares", [plotting.BLUE, "#999999", plotting.ORANGE])

MAX_SLIDES = 400  # points side by side; of more slides every nth is drawn
NUM_BINS = 64

SHEET_WIDTH = 8.4  # inches
SHEET_GAP = 6  # pixels between patches

Floats = NDArray[np.floating]


def class_balance(num_negative: int, num_positive: int) -> Figure:
    """Draw bars of the two classes with count and share."""
    figure, axes = plotting.new_axes("Class balance", plotting.NARROW, 3.6)
    total = num_negative + num_positive
    colours = [plotting.BLUE, plotting.ORANGE]
    bars = axes.bar(["no tumour", "tumour"], [num_negative, num_positive], color=colours)
    axes.bar_label(
        bars,
        [f"{n:,}\n{numbers.percent(n / total)}" for n in (num_negative, num_positive)],
        padding=2,
    )
    axes.set(ylabel="patches", xlabel="central 32x32")
    axes.margins(y=0.2)
    return figure


def samples(patches: Mapping[str, UInt8], num_columns: int = 8) -> Figure:
    """Draw a contact sheet per title: (n, size, size, 3) uint8 patches with their centres boxed."""
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
            axes.add_patch(plotting.centre_box(group.shape[1], (column * size, row * size)))
    return figure


def _contact_sheet(patches: UInt8, num_columns: int) -> UInt8:
    """Arrange (n, size, size, 3) patches in rows on white."""
    size = patches.shape[1] + SHEET_GAP
    num_rows = -(-len(patches) // num_columns)
    sheet = np.full((num_rows * size, num_columns * size, 3), 255, np.uint8)
    for number, patch in enumerate(patches):
        row, column = divmod(number, num_columns)
        sheet[row * size :, column * size :][: patch.shape[0], : patch.shape[1]] = patch
    return sheet[:-SHEET_GAP, :-SHEET_GAP]


def class_densities(
    values: Mapping[str, Floats],
    *,
    xlabel: str,
    limits: tuple[float, float],
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """Draw histograms of both classes (no tumour, tumour) with equal areas, and dotted marks."""
    figure, axes = plotting.new_axes("", 3.6, 2.7)
    bins = np.linspace(*limits, NUM_BINS + 1)
    for (name, group), colour in zip(values.items(), (plotting.BLUE, plotting.ORANGE), strict=True):
        counts, _ = np.histogram(group, bins)
        density = counts / max(counts.sum(), 1) / np.diff(bins)
        axes.stairs(density, bins, fill=True, color=colour, alpha=0.25)
        axes.stairs(density, bins, color=colour, label=name, linewidth=1.4)
    for name, mark in (marks or {}).items():
        axes.axvline(mark, color=plotting.GREY, linestyle=":", linewidth=1.2)
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
    """Draw a panel per measure: each slide's median between its quartiles, sorted by the median.

    A panel is (n, 3): lower quartile, median, upper quartile. `shares` (n,) are the slides' shares
    of positives; they give the colours of the medians.
    """
    figure = Figure(figsize=(9.6, 2.1 * len(panels) + 0.3), layout="constrained")
    all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (name, quartiles) in zip(all_axes, panels.items(), strict=True):
        order = np.argsort(quartiles[:, 1], kind="stable")
        ranks = np.unique(np.linspace(0, len(order) - 1, MAX_SLIDES).round().astype(int))
        low, median, high = quartiles[order[ranks]].T
        bars = np.stack([low, high, np.full_like(low, np.nan)], axis=1).ravel()
        axes.plot(np.repeat(ranks + 1, 3), bars, color=plotting.GREY, linewidth=1, alpha=0.6)
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
