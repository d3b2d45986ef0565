"""Draws the figures of an evaluation from arrays. What is drawn, `evaluation_plots` works out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from metastasis import plotting
from metastasis.results import numbers

Floats = NDArray[np.floating]

NUM_NAMED_SLIDES = 3  # of each panel, the lowest
ROOM_FOR_NAMES = 0.7  # of the range of values, below the lowest point
CALIBRATED, AS_GIVEN = "#222222", "#7F3C8D"  # probabilities
DOTS = (8, 120)  # areas in square points, of no patch and of the largest slide


@dataclass(frozen=True)
class SlideValues:
    """A number of each slide (n,), with its patches."""

    names: Sequence[str]
    values: Floats
    sizes: NDArray[np.integer]

    @classmethod
    def joined(cls, several: Sequence["SlideValues"]) -> "SlideValues":
        """Return all of them, one after the other."""
        return cls(
            [name for slides in several for name in slides.names],
            np.concatenate([slides.values for slides in several]),
            np.concatenate([slides.sizes for slides in several]),
        )


@dataclass(frozen=True)
class Curve:
    """Points of a line, and an interval of its y at other points; NaN where there is none."""

    x: Floats
    y: Floats
    band: tuple[Floats, Floats, Floats] | None = None  # x, low, high
    point: tuple[float, float] | None = None  # where the threshold lies


def confusion(matrix: NDArray[np.integer], title: str) -> Figure:
    """Counts (2, 2), rows true and columns predicted, with each row's shares."""
    figure, axes = plotting.new_axes(title, plotting.NARROW, 4.2)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
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
    lines: Mapping[str, tuple[str, Curve]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    chance: str = "",
) -> Figure:
    """Curves in the unit square, one a part, each (label, curve) in its band.

    `chance` names the diagonal, if that is what guessing gives.
    """
    figure, axes = plotting.new_axes(title, plotting.NARROW, 5.4)
    if chance:
        axes.plot([0, 1], [0, 1], color=plotting.GREY, linestyle=(0, (1, 2)), label=chance)
    for part, (label, line) in lines.items():
        colour = plotting.PARTS[part]
        axes.plot(line.x, line.y, plotting.STYLES[part], color=colour, label=label, linewidth=1.8)
        if line.band:
            axes.fill_between(*line.band, color=colour, alpha=0.18, linewidth=0)
        if line.point:
            axes.plot(
                *line.point, "o", color=colour, markeredgecolor="black", markersize=7, zorder=3,
                label=f"{part} at the threshold",
            )  # fmt: skip
    _to_unit_square(axes, xlabel, ylabel)
    _legend_below(figure)
    return figure


def reliability(panels: Mapping[str, Mapping[str, tuple[Floats, Floats]]]) -> Figure:
    """Mean predicted probability against the share of positives: a panel a part, two lines."""
    figure = Figure(figsize=(plotting.BROAD, 5.6), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(all_axes, panels.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=plotting.GREY, linestyle=(0, (1, 2)), label="ideal")
        styles = ((CALIBRATED, "o", "-"), (AS_GIVEN, "s", "--"))
        for (label, (x, y)), (colour, marker, style) in zip(lines.items(), styles, strict=False):
            axes.plot(x, y, style, color=colour, marker=marker, markersize=5, label=label)
        _to_unit_square(axes, "mean predicted probability", "share with tumour")
        axes.set_title(f"Reliability, {title}")
        axes.spines[["top", "right"]].set_visible(False)
    _legend_below(figure, num_columns=3)
    return figure


def score_histogram(
    labels: NDArray[np.integer], probabilities: Floats, threshold: float, part: str
) -> Figure:
    """Predicted probabilities of each class, on a logarithmic count axis."""
    title = f"Predicted probabilities by true class, {part}, {len(labels):,} patches"
    figure, axes = plotting.new_axes(title, plotting.BROAD, 3.8)
    bins = np.linspace(0, 1, 41).tolist()
    for value, name, colour in ((0, "no tumour", plotting.BLUE), (1, "tumour", plotting.ORANGE)):
        chosen = probabilities[labels == value]
        axes.hist(chosen, bins, label=name, color=colour, alpha=0.6)
    axes.axvline(threshold, color="black", linestyle=":", label=f"threshold {threshold:.3f}")
    axes.set(xlabel="predicted probability of tumour", ylabel="patches", yscale="log")
    _legend_below(figure, num_columns=3)
    return figure


def slide_areas(parts: Mapping[str, SlideValues]) -> Figure:
    """AUC within each slide, sorted, a panel a part; a point grows with the slide's patches."""
    figure, panels = _slide_panels(parts, "AUC within the slide", "with both classes")
    for axes, (part, slides) in zip(panels, parts.items(), strict=False):
        _scatter_slides(axes, slides, plotting.PARTS[part], _largest(parts))
        _name_lowest(axes, slides)
    _explain_sizes(figure, panels[-1], parts)
    return figure


def slide_rates(parts: Mapping[str, Mapping[str, SlideValues]]) -> Figure:
    """Of slides of one class, a panel a part: specificity where no patch has tumour, in blue.

    Sensitivity where every patch has, in orange. A point grows with the slide's patches.
    """
    both = {part: SlideValues.joined(list(kinds.values())) for part, kinds in parts.items()}
    figure, panels = _slide_panels(both, "share of the patches called rightly", "of one class")
    colours = {"specificity": plotting.BLUE, "sensitivity": plotting.ORANGE}
    largest = _largest(both)
    for axes, kinds in zip(panels, parts.values(), strict=False):
        start = 0
        for kind, slides in kinds.items():
            if len(slides.names):
                _scatter_slides(axes, slides, colours[kind], largest, start=start, label=kind)
            start += len(slides.names)
    for axes, (part, kinds) in zip(panels, parts.items(), strict=False):
        axes.set_title(
            f"{part}: {numbers.count(len(kinds['specificity'].names), 'slide')} without tumour, "
            f"{len(kinds['sensitivity'].names):,} with tumour alone",
            fontsize=11,
        )
        _name_lowest(axes, both[part])
    _explain_sizes(figure, panels[-1], both)
    return figure


def _slide_panels(
    parts: Mapping[str, SlideValues], ylabel: str, which: str
) -> tuple[Figure, NDArray[np.object_]]:
    figure = Figure(figsize=(plotting.BROAD, 4.2), layout="constrained")
    panels = figure.subplots(1, max(len(parts), 1), sharey=True, squeeze=False)[0]
    for axes, (part, slides) in zip(panels, parts.items(), strict=False):
        axes.set_title(f"{part}: {numbers.count(len(slides.names), 'slide')} {which}", fontsize=11)
        axes.set_xlabel("slides, in order")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(ylabel)
    lowest = min((slides.values.min() for slides in parts.values() if len(slides.names)), default=0)
    panels[0].set_ylim(lowest - (1 - lowest) * ROOM_FOR_NAMES - 0.03, 1.03)
    return figure, panels


def _scatter_slides(
    axes: Axes, slides: SlideValues, colour: str, largest: int, *, start: int = 0, label: str = ""
) -> None:
    """Draw the slides from the lowest value up, from rank `start` on."""
    order = np.argsort(slides.values, kind="stable")
    ranks = start + np.arange(1, len(order) + 1)
    values = slides.values[order]
    axes.scatter(
        ranks, values, s=_areas(slides.sizes[order], largest), color=colour, alpha=0.7,
        linewidths=0, label=label or None,
    )  # fmt: skip


def _name_lowest(axes: Axes, slides: SlideValues) -> None:
    """Write the names of the lowest slides into the corner below the highest, where no point is."""
    order = np.argsort(slides.values, kind="stable")[:NUM_NAMED_SLIDES]
    chosen = ((slides.names[row], slides.values[row], int(slides.sizes[row])) for row in order)
    lines = [
        f"{name}: {value:.2f}, {numbers.count(size, 'patch', 'patches')}"
        for name, value, size in chosen
    ]
    text = "\n".join(["the lowest:", *lines]) if lines else "there is none"
    axes.text(0.98, 0.03, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8)


def _areas(sizes: NDArray[np.integer], largest: int) -> Floats:
    """Return the areas of points for slides of these numbers of patches, in square points."""
    return np.asarray(DOTS[0] + (DOTS[1] - DOTS[0]) * sizes / largest, np.float64)


def _largest(parts: Mapping[str, SlideValues]) -> int:
    return max(
        (int(slides.sizes.max()) for slides in parts.values() if len(slides.names)), default=1
    )


def _explain_sizes(figure: Figure, axes: Axes, parts: Mapping[str, SlideValues]) -> None:
    """Say below what a point's size and colour mean."""
    largest = _largest(parts)
    for size in sorted({max(largest // 10, 1), max(largest // 2, 1), largest}):
        area = float(_areas(np.array([size]), largest)[0])
        axes.scatter(
            [], [], s=area, color=plotting.GREY, label=numbers.count(size, "patch", "patches")
        )
    _legend_below(figure, num_columns=5)


def _legend_below(figure: Figure, num_columns: int = 1) -> None:
    """Place one legend for all axes below them, where no curve can be."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        handles=list(found.values()), labels=list(found), loc="outside lower center",
        ncols=num_columns, frameon=False,
    )  # fmt: skip


def _to_unit_square(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    axes.grid(alpha=0.3)
