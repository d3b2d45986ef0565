"""Draws the figures of an evaluation from arrays. `evaluation_plots` computes the arrays."""

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

NUM_NAMED_SLIDES = 3  # the lowest ones, in each panel
NAME_LENGTH = 32  # characters that fit beside the numbers
ROOM_FOR_NAMES = 0.7  # of the range of values, below the lowest point
CALIBRATED, AS_GIVEN = "#222222", "#7F3C8D"  # probabilities
DOTS = (8, 120)  # areas in square points for zero patches and for the largest slide


@dataclass(frozen=True)
class SlideValues:
    """One value for each slide (n,), with the slide's number of patches."""

    names: Sequence[str]
    values: Floats
    sizes: NDArray[np.integer]

    @classmethod
    def joined(cls, several: Sequence["SlideValues"]) -> "SlideValues":
        """Return the values of all in one, in their order."""
        return cls(
            [name for slides in several for name in slides.names],
            np.concatenate([slides.values for slides in several]),
            np.concatenate([slides.sizes for slides in several]),
        )


@dataclass(frozen=True)
class Curve:
    """The points of a curve, and the interval of its y at other points; NaN without an interval."""

    x: Floats
    y: Floats
    band: tuple[Floats, Floats, Floats] | None = None  # x, low, high
    point: tuple[float, float] | None = None  # the point of the threshold


def confusion(matrices: Mapping[str, NDArray[np.integer]]) -> Figure:
    """Draw counts (2, 2), a panel below each title, and the shares of each row.

    True classes are in rows, predicted ones in columns.
    """
    width = plotting.NARROW if len(matrices) == 1 else plotting.BROAD
    figure = Figure(figsize=(width, 4.2), layout="constrained")
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    for axes, (title, matrix) in zip(panels, matrices.items(), strict=True):
        axes.set_title(title)
        _draw_matrix(axes, matrix)
    return figure


def _draw_matrix(axes: Axes, matrix: NDArray[np.integer]) -> None:
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


def curves(
    lines: Mapping[str, tuple[str, Curve]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    chance: str = "",
) -> Figure:
    """Draw curves in the unit square, one (label, curve) per part, each with its band.

    `chance` is the label of the diagonal, if guessing gives the diagonal.
    """
    figure, axes = plotting.new_axes(title, plotting.NARROW, 5.4)
    if chance:
        axes.plot([0, 1], [0, 1], color=plotting.GREY, linestyle=(0, (1, 2)), label=chance)
    for part, (label, line) in lines.items():
        _draw(axes, part, label, line, f"{part} at the threshold")
    _to_unit_square(axes, xlabel, ylabel)
    _legend_below(figure)
    return figure


def risk(lines: Mapping[str, tuple[str, Curve]], promised: str) -> Figure:
    """Draw the share of wrong calls over the share of patches decided, one (label, curve) a part.

    The points of the curves, if any, are labelled `promised`.
    """
    figure, axes = plotting.new_axes(
        "Wrong calls among the surest patches (risk-coverage curve)", plotting.BROAD, 4.4
    )
    for part, (label, line) in lines.items():
        _draw(axes, part, label, line, f"{part}, {promised}")
    axes.set(xlabel="share of the patches that are decided, the surest first", xlim=(-0.01, 1.01))
    axes.set_ylabel("share of wrong calls among them")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    _legend_below(figure, num_columns=2)
    return figure


def _draw(axes: Axes, part: str, label: str, line: Curve, point: str) -> None:
    """Draw the curve of a part, its band and its point, if any, with their labels."""
    colour = plotting.PARTS[part]
    axes.plot(line.x, line.y, plotting.STYLES[part], color=colour, label=label, linewidth=1.8)
    if line.band:
        axes.fill_between(*line.band, color=colour, alpha=0.18, linewidth=0)
    if line.point:
        axes.plot(
            *line.point, "o", color=colour, markeredgecolor="black", markersize=7, zorder=3,
            label=point,
        )  # fmt: skip


def reliability(panels: Mapping[str, Mapping[str, tuple[Floats, Floats]]]) -> Figure:
    """Draw the share of positives over mean predicted probability: a panel per part, two lines."""
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
    """Draw histograms of predicted probabilities by class, on a logarithmic count axis."""
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
    """Draw the sorted AUC within each slide, a panel per part; larger points have more patches."""
    if not parts:
        return _no_slides("with both classes")
    figure, panels = _slide_panels(parts, "AUC within the slide", "with both classes")
    for axes, (part, slides) in zip(panels, parts.items(), strict=True):
        _scatter_slides(axes, slides, plotting.PARTS[part], _largest(parts))
        _name_lowest(axes, slides)
    _explain_sizes(figure, panels[-1], parts)
    return figure


def slide_rates(parts: Mapping[str, Mapping[str, SlideValues]]) -> Figure:
    """Draw the rates of slides of one class, a panel per part.

    Slides without tumour show their specificity in blue, slides with only tumour their sensitivity
    in orange. Larger points have more patches.
    """
    if not parts:
        return _no_slides("of one class")
    both = {part: SlideValues.joined(list(kinds.values())) for part, kinds in parts.items()}
    figure, panels = _slide_panels(both, "share of the patches called correctly", "of one class")
    colours = {"specificity": plotting.BLUE, "sensitivity": plotting.ORANGE}
    largest = _largest(both)
    for axes, kinds in zip(panels, parts.values(), strict=True):
        start = 0
        for kind, slides in kinds.items():
            if len(slides.names):
                _scatter_slides(axes, slides, colours[kind], largest, start=start, label=kind)
            start += len(slides.names)
    for axes, (part, kinds) in zip(panels, parts.items(), strict=True):
        axes.set_title(
            f"{part}: {numbers.count(len(kinds['specificity'].names), 'slide')} without tumour, "
            f"{len(kinds['sensitivity'].names):,} with only tumour",
            fontsize=11,
        )
        _name_lowest(axes, both[part])
    _explain_sizes(figure, panels[-1], both)
    return figure


def _no_slides(which: str) -> Figure:
    figure = Figure(figsize=(plotting.BROAD, 1.2), layout="constrained")
    text = f"There is no known slide {which}."
    figure.text(0.5, 0.4, text, ha="center", va="center", color=plotting.GREY)
    return figure


def _slide_panels(
    parts: Mapping[str, SlideValues], ylabel: str, which: str
) -> tuple[Figure, NDArray[np.object_]]:
    figure = Figure(figsize=(plotting.BROAD, 4.2), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, (part, slides) in zip(panels, parts.items(), strict=True):
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
    """Draw the slides in ascending order of value, from rank `start` on."""
    order = np.argsort(slides.values, kind="stable")
    ranks = start + np.arange(1, len(order) + 1)
    values = slides.values[order]
    axes.scatter(
        ranks, values, s=_areas(slides.sizes[order], largest), color=colour, alpha=0.7,
        linewidths=0, label=label or None,
    )  # fmt: skip


def _name_lowest(axes: Axes, slides: SlideValues) -> None:
    """Write the names of the lowest slides in the lower right corner, where there are no points."""
    order = np.argsort(slides.values, kind="stable")[:NUM_NAMED_SLIDES]
    chosen = ((slides.names[row], slides.values[row], int(slides.sizes[row])) for row in order)
    lines = [
        f"{plotting.caption(name, NAME_LENGTH)}: {value:.2f}, "
        f"{numbers.count(size, 'patch', 'patches')}"
        for name, value, size in chosen
    ]
    text = "\n".join(["the lowest:", *lines]) if lines else "no slides"
    axes.text(0.98, 0.03, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8)


def _areas(sizes: NDArray[np.integer], largest: int) -> Floats:
    """Return the areas of points, in square points, for slides with these numbers of patches."""
    return np.asarray(DOTS[0] + (DOTS[1] - DOTS[0]) * sizes / largest, np.float64)


def _largest(parts: Mapping[str, SlideValues]) -> int:
    return max(
        (int(slides.sizes.max()) for slides in parts.values() if len(slides.names)), default=1
    )


def _explain_sizes(figure: Figure, axes: Axes, parts: Mapping[str, SlideValues]) -> None:
    """Add a legend below that explains the sizes and colours of points."""
    largest = _largest(parts)
    for size in sorted({max(largest // 10, 1), max(largest // 2, 1), largest}):
        area = float(_areas(np.array([size]), largest)[0])
        axes.scatter(
            [], [], s=area, color=plotting.GREY, label=numbers.count(size, "patch", "patches")
        )
    _legend_below(figure, num_columns=5)


def _legend_below(figure: Figure, num_columns: int = 1) -> None:
    """Place one legend for all axes below them, where there are no curves."""
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
