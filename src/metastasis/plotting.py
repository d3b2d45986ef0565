"""Draws figures from arrays and saves them to the same bytes each time. Reads no file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from metastasis.shards import CENTRE_SIZE, UInt8

# Okabe and Ito's colours, told apart by colour-blind readers: negative, positive.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#888888"

Floats = NDArray[np.floating]


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as PNG without the metadata that changes with matplotlib's version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def class_balance(num_negative: int, num_positive: int) -> Figure:
    """Bars of the two classes with count and share."""
    figure, axes = _axes("Class balance", 4.5, 3.5)
    total = num_negative + num_positive
    bars = axes.bar(["no tumour", "tumour"], [num_negative, num_positive], color=[BLUE, ORANGE])
    axes.bar_label(
        bars, [f"{n:,}\n{n / total:.2%}" for n in (num_negative, num_positive)], padding=2
    )
    axes.set(ylabel="patches", xlabel="central 32x32")
    axes.margins(y=0.2)
    return figure


def samples(patches: Mapping[str, UInt8], num_columns: int = 8) -> Figure:
    """One contact sheet a title, each of (n, size, size, 3) uint8 patches, the centre boxed."""
    num_rows = [-(-len(group) // num_columns) for group in patches.values()]
    height = sum(num_rows) * 1.05 + 0.45 * len(patches)
    figure = Figure(figsize=(num_columns * 1.05, height), layout="constrained")
    blocks = figure.subfigures(len(patches), 1, height_ratios=num_rows, squeeze=False)[:, 0]
    for block, (title, group), rows in zip(blocks, patches.items(), num_rows, strict=True):
        block.suptitle(title, fontsize=11)
        grid = block.subplots(rows, num_columns, squeeze=False).ravel()
        for axes in grid:
            axes.set_axis_off()
        for axes, patch in zip(grid, group, strict=False):
            axes.imshow(patch, interpolation="nearest")
            axes.add_patch(_centre_box(patch.shape[0]))
    return figure


def confusion(matrix: NDArray[np.integer], title: str) -> Figure:
    """Counts (2, 2), rows true and columns predicted, with each row's shares."""
    figure, axes = _axes(title, 4.2, 3.8)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        shade = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004  # mid-scale
        text = f"{count:,}\n{shares[row, column]:.1%}"
        axes.text(column, row, text, ha="center", va="center", color=shade)
    names = ["no tumour", "tumour"]
    axes.set(xticks=[0, 1], yticks=[0, 1], xticklabels=names, yticklabels=names)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    return figure


def curves(
    lines: Mapping[str, tuple[Floats, Floats]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    marker: str = "",
) -> Figure:
    """Curves in the unit square, one a label."""
    figure, axes = _axes(title, 4.8, 4.5)
    for (label, (x, y)), colour in zip(lines.items(), (ORANGE, BLUE), strict=False):
        axes.plot(x, y, color=colour, label=label, linewidth=1.8, marker=marker)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower center", frameon=False)
    return figure


def reliability(lines: Mapping[str, tuple[Floats, Floats]]) -> Figure:
    """Mean predicted probability against the share of positives, one line a label."""
    figure = curves(
        lines,
        title="Reliability",
        xlabel="mean predicted probability",
        ylabel="share with tumour",
        marker="o",
    )
    figure.axes[0].plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    return figure


def score_histogram(labels: NDArray[np.integer], probabilities: Floats, threshold: float) -> Figure:
    """Predicted probabilities of each class, on a logarithmic count axis."""
    figure, axes = _axes("Predicted probabilities by true class", 6.0, 3.6)
    bins = np.linspace(0, 1, 41).tolist()
    for value, name, colour in ((0, "no tumour", BLUE), (1, "tumour", ORANGE)):
        chosen = probabilities[labels == value]
        axes.hist(chosen, bins, label=name, color=colour, alpha=0.6)
    axes.axvline(threshold, color="black", linestyle=":", label=f"threshold {threshold:.3f}")
    axes.set(xlabel="predicted probability of tumour", ylabel="patches", yscale="log")
    axes.legend(frameon=False)
    return figure


def history(metrics: Mapping[str, Mapping[str, tuple[Floats, Floats]]]) -> Figure:
    """One panel a metric; in each, one line (epochs, values) a split."""
    figure = Figure(figsize=(3.6 * len(metrics), 3.2), layout="constrained")
    for axes, (name, lines) in zip(
        figure.subplots(1, len(metrics), squeeze=False)[0], metrics.items(), strict=True
    ):
        for (label, (x, y)), colour in zip(lines.items(), (BLUE, ORANGE), strict=False):
            axes.plot(x, y, color=colour, label=label, marker=".")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def split_balance(table: Mapping[str, tuple[int, int]]) -> Figure:
    """Stacked bars (negative, positive) of each split, with its size and share of positives."""
    figure, axes = _axes("Splits", 5.0, 3.6)
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
    axes.legend(frameon=False)
    return figure


def _axes(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _centre_box(size: int) -> Rectangle:
    corner = (size - CENTRE_SIZE) / 2 - 0.5
    return Rectangle(
        (corner, corner), CENTRE_SIZE, CENTRE_SIZE, fill=False, edgecolor="#FFE14D", linewidth=1
    )
