"""Draws the figures of an evaluation from arrays. What is drawn, `evaluation_plots` works out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from metastasis import plotting

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Curve:
    """Points of a line, and an interval of its y at other points; NaN where there is none."""

    x: Floats
    y: Floats
    band: tuple[Floats, Floats, Floats] | None = None  # x, low, high


def confusion(matrix: NDArray[np.integer], title: str) -> Figure:
    """Counts (2, 2), rows true and columns predicted, with each row's shares."""
    figure, axes = plotting.new_axes(title, 4.2, 3.8)
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


def curves(lines: Mapping[str, Curve], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Curves in the unit square, one a label, each in its band."""
    figure, axes = plotting.new_axes(title, 4.8, 4.5)
    for (label, line), colour in zip(lines.items(), (plotting.ORANGE, plotting.BLUE), strict=False):
        axes.plot(line.x, line.y, color=colour, label=label, linewidth=1.8)
        if line.band:
            axes.fill_between(*line.band, color=colour, alpha=0.18, linewidth=0)
    _to_unit_square(axes, xlabel, ylabel)
    axes.legend(loc="lower center", frameon=False)
    return figure


def reliability(panels: Mapping[str, Mapping[str, tuple[Floats, Floats]]]) -> Figure:
    """Mean predicted probability against the share of positives: a panel a part, two lines."""
    figure = Figure(figsize=(4.0 * len(panels), 4.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(all_axes, panels.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=plotting.GREY, linestyle=":", linewidth=1.2)
        styles = ((plotting.ORANGE, "o", "-"), (plotting.BLUE, "s", "--"))
        for (label, (x, y)), (colour, marker, style) in zip(lines.items(), styles, strict=False):
            axes.plot(x, y, style, color=colour, marker=marker, markersize=5, label=label)
        _to_unit_square(axes, "mean predicted probability", "share with tumour")
        axes.set_title(f"Reliability, {title}")
        axes.legend(loc="upper left", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def score_histogram(labels: NDArray[np.integer], probabilities: Floats, threshold: float) -> Figure:
    """Predicted probabilities of each class, on a logarithmic count axis."""
    figure, axes = plotting.new_axes("Predicted probabilities by true class", 6.0, 3.6)
    bins = np.linspace(0, 1, 41).tolist()
    for value, name, colour in ((0, "no tumour", plotting.BLUE), (1, "tumour", plotting.ORANGE)):
        chosen = probabilities[labels == value]
        axes.hist(chosen, bins, label=name, color=colour, alpha=0.6)
    axes.axvline(threshold, color="black", linestyle=":", label=f"threshold {threshold:.3f}")
    axes.set(xlabel="predicted probability of tumour", ylabel="patches", yscale="log")
    axes.legend(loc="upper center", frameon=False)
    return figure


def slide_areas(parts: Mapping[str, tuple[Floats, NDArray[np.integer]]]) -> Figure:
    """AUC within each slide, sorted, a panel a part; a point grows with the slide's patches."""
    num_panels = max(len(parts), 1)
    figure = Figure(figsize=(4.4 * num_panels, 3.2), layout="constrained")
    panels = figure.subplots(1, num_panels, sharey=True, squeeze=False)[0]
    for axes, (title, (areas, sizes)) in zip(panels, parts.items(), strict=False):
        order = np.argsort(areas, kind="stable")
        weights = 10 + 110 * sizes[order] / sizes.max()
        ranks = np.arange(1, len(order) + 1)
        axes.scatter(ranks, areas[order], s=weights, color=plotting.BLUE, alpha=0.7, linewidths=0)
        axes.set(title=f"{title}: {len(order)} slides with both classes", ylim=(None, 1.02))
        axes.set_xlabel("slides, by AUC")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("AUC within the slide")
    return figure


def _to_unit_square(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.grid(alpha=0.3)
