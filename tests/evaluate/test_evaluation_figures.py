"""Tests of `evaluate.evaluation_figures`: figures say the numbers they are given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from helpers.figures import LINE, texts
from metastasis import plotting
from metastasis.evaluate import evaluation_figures as figures
from metastasis.evaluate.evaluation_figures import SlideValues

BAND = (np.array([0.0, 1.0]), np.array([0.0, 0.8]), np.array([0.3, 1.0]))
SLIDES = SlideValues(["a", "b", "c", "d"], np.array([0.9, 0.7, 1.0, 0.8]), np.array([4, 8, 900, 2]))
NONE = SlideValues([], np.array([]), np.array([], np.int64))
CURVES = {
    "test": ("test, AUC 0.9", figures.Curve(*LINE, BAND, (0.2, 0.6))),
    "validation": ("validation, AUC 0.8", figures.Curve(*LINE)),
}
CALIBRATION = {"calibrated": LINE, "uncalibrated": LINE}
FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: figures.confusion({"Confusion": np.array([[50, 10], [4, 36]])}),
    "confusions": lambda: figures.confusion(
        dict.fromkeys(("Test", "Validation"), np.eye(2, dtype=int))
    ),
    "curves": lambda: figures.curves(CURVES, title="ROC", xlabel="x", ylabel="y", chance="chance"),
    "risk": lambda: figures.risk(CURVES, "sets of 90% coverage"),
    "no band and no points": lambda: figures.risk({"test": ("test", figures.Curve(*LINE))}, ""),
    "reliability": lambda: figures.reliability({"test": CALIBRATION, "validation": CALIBRATION}),
    "scores": lambda: figures.score_histogram(np.array([0, 1]), np.array([0.2, 0.8]), 0.5, "test"),
    "slides": lambda: figures.slide_areas({"test": SLIDES, "validation": SLIDES}),
    "no slides": lambda: figures.slide_areas({}),
    "a part without slides": lambda: figures.slide_areas({"test": SLIDES, "validation": NONE}),
    "no slides of one class": lambda: figures.slide_rates({}),
    "slides of one class": lambda: figures.slide_rates(
        {"test": {"specificity": SLIDES, "sensitivity": SLIDES}}
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    for copy in ("a.png", "b.png"):
        plotting.save(FIGURES[name](), tmp_path / copy, "Drawn patches")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_one_of_two_widths(name: str) -> None:
    assert FIGURES[name]().get_figwidth() in {plotting.NARROW, plotting.BROAD}


@pytest.mark.parametrize("name", FIGURES)
def test_no_legend_title_or_note_lies_on_another_or_on_the_axes(tmp_path: Path, name: str) -> None:
    figure = FIGURES[name]()
    plotting.save(figure, tmp_path / "a.png", "Drawn patches, not tissue.")
    figure.draw_without_rendering()
    boxes = [legend.get_window_extent() for legend in figure.legends]
    boxes += [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    boxes.append(figure.texts[-1].get_window_extent())
    overlaps = [
        (one, other)
        for number, one in enumerate(boxes)
        for other in boxes[number + 1 :]
        if one.overlaps(other)
    ]
    assert overlaps == []
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.y0 >= 0 and box.y1 <= height and box.x1 <= width for box in boxes)


def test_long_names_of_slides_stay_in_their_axes(tmp_path: Path) -> None:
    names = ["tcga-a1-a0sa-01z-00-dx1.b34c267b-cafe-4d12-a8c8-e3f9b2e1d0aa", "H$02_$", "c", "d"]
    slides = SlideValues(names, SLIDES.values, SLIDES.sizes)
    figure = figures.slide_areas({"test": slides, "validation": slides})
    plotting.save(figure, tmp_path / "a.png")
    for axes in figure.axes:
        (text,) = axes.texts
        assert text.get_window_extent().x0 >= axes.get_window_extent().x0


def test_a_band_lies_between_its_ends() -> None:
    (band,) = FIGURES["curves"]().axes[0].collections
    vertices = np.asarray(band.get_paths()[0].vertices)
    assert {(x, y) for x, y in vertices} == {(0, 0), (1, 0.8), (1, 1), (0, 0.3)}


def test_a_roc_has_the_line_of_chance_and_the_point_of_the_threshold() -> None:
    drawn = FIGURES["curves"]().axes[0].lines
    lines = {line.get_label(): np.asarray(line.get_xydata()) for line in drawn}
    assert lines["chance"].tolist() == [[0, 0], [1, 1]]
    assert lines["test at the threshold"].tolist() == [[0.2, 0.6]]
    assert "validation at the threshold" not in lines


def test_parts_have_colours_that_no_class_has_and_differ_in_grey() -> None:
    assert not set(plotting.PARTS.values()) & {plotting.BLUE, plotting.ORANGE}
    assert len(set(plotting.PARTS.values())) == len(set(plotting.STYLES.values())) == 3
    colours = {line.get_color() for line in FIGURES["curves"]().axes[0].lines}
    assert {plotting.PARTS["test"], plotting.PARTS["validation"]} < colours


def test_slides_are_sorted_by_their_auc_and_sized_by_their_patches() -> None:
    points = FIGURES["slides"]().axes[0].collections[0]
    assert isinstance(points, PathCollection)
    assert np.asarray(points.get_offsets()).tolist() == [[1, 0.7], [2, 0.8], [3, 0.9], [4, 1.0]]
    assert np.argsort(points.get_sizes()).tolist() == [1, 2, 0, 3]  # 2, 4, 8 and 900 patches


def test_the_lowest_slides_are_named_with_their_patches() -> None:
    (text,) = texts(FIGURES["slides"]())[:1]
    assert text.splitlines()[1:] == [
        "b: 0.70, 8 patches",
        "d: 0.80, 2 patches",
        "a: 0.90, 4 patches",
    ]


def test_the_sizes_of_points_are_explained_by_sizes_that_differ() -> None:
    (legend,) = FIGURES["slides"]().legends
    handles = legend.legend_handles
    assert [text.get_text() for text in legend.get_texts()] == [
        "90 patches", "450 patches", "900 patches",
    ]  # fmt: skip
    sizes = {handle.get_sizes()[0] for handle in handles if isinstance(handle, PathCollection)}
    assert len(sizes) == 3


def test_slides_of_one_class_have_the_colour_of_their_class() -> None:
    negative, positive = FIGURES["slides of one class"]().axes[0].collections[:2]
    colours = [np.asarray(points.get_facecolor()) for points in (negative, positive)]
    assert [tuple(colour[0, :3]) for colour in colours] == [
        pytest.approx([0, 0x72 / 255, 0xB2 / 255]),
        pytest.approx([0xD5 / 255, 0x5E / 255, 0]),
    ]
    ranks = np.asarray(positive.get_offsets())[:, 0]
    assert ranks.tolist() == [5, 6, 7, 8]  # after those without tumour


def test_confusion_says_counts_and_the_shares_of_each_row() -> None:
    shown = ["50\n83.3%", "10\n16.7%", "4\n10.0%", "36\n90.0%"]
    assert texts(FIGURES["confusion"]()) == shown


def test_reliability_has_the_diagonal_to_compare_with() -> None:
    lines = FIGURES["reliability"]().axes[0].lines
    assert np.asarray(lines[0].get_xydata()).tolist() == [[0, 0], [1, 1]]
