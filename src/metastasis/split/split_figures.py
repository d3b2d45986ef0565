"""Draws a split: sizes and classes of its parts, their slides, and leaks. Reads no files."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from metastasis import plotting

LEAK = "#F0E442"


def split_balance(table: Mapping[str, tuple[int, int]]) -> Figure:
    """Draw stacked bars (negative, positive) of each split, with its size and positive share."""
    figure, axes = plotting.new_axes("Splits", plotting.NARROW, 3.6)
    names = list(table)
    negative, positive = np.array([table[name] for name in names]).T
    axes.bar(names, negative, color=plotting.BLUE, label="no tumour")
    bars = axes.bar(names, positive, bottom=negative, color=plotting.ORANGE, label="tumour")
    texts = [
        f"{total:,}\n{share:.1%} tumour"
        for total, share in zip(negative + positive, positive / (negative + positive), strict=True)
    ]
    axes.bar_label(bars, texts, padding=2)
    axes.set(ylabel="patches")
    axes.margins(y=0.25)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def slide_sizes(sizes: Mapping[str, NDArray[np.integer]]) -> Figure:
    """Draw the number of patches of each slide, a panel per split, in the given order."""
    figure = Figure(figsize=(plotting.BROAD, 3.2), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, (name, values) in zip(panels, sizes.items(), strict=True):
        axes.bar(np.arange(1, len(values) + 1), values, width=1.0, color=plotting.PARTS[name])
        axes.set(title=f"{name}: {len(values)} slides", xlabel="slides, by size")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("patches")
    return figure


def leaks(counts: Mapping[tuple[str, str], Mapping[str, int]]) -> Figure:
    """Draw a table of the leaks between each pair of splits; cells other than 0 are coloured."""
    figure, axes = plotting.new_axes("Leaks between splits", plotting.NARROW, 3.0)
    has_patients = any("num_patients" in pair for pair in counts.values())
    rows = {
        **({"num_patients": "patients"} if has_patients else {}),
        "num_slides": "slides",
        "num_exact_copies": "exact copies,\npairs",
        "num_near_copies": "near copies,\npairs",
        "num_overlaps": "overlaps,\npairs",
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
