"""Tests of `evaluate.evaluation_figures`: figures say the numbers they are given."""

from pathlib import Path

import numpy as np
import pytest
from test_plotting import LINE, texts

from metastasis import plotting
from metastasis.evaluate import evaluation_figures as figures

BAND = (np.array([0.0, 1.0]), np.array([0.0, 0.8]), np.array([0.3, 1.0]))
FIGURES = {
    "confusion": lambda: figures.confusion(np.array([[50, 10], [4, 36]]), "Confusion"),
    "curves": lambda: figures.curves(
        {"test": figures.Curve(*LINE, BAND)}, title="ROC", xlabel="x", ylabel="y"
    ),
    "reliability": lambda: figures.reliability({"test": {"calibrated": LINE, "plain": LINE}}),
    "scores": lambda: figures.score_histogram(np.array([0, 1]), np.array([0.2, 0.8]), 0.5),
    "slides": lambda: figures.slide_areas({"test": (np.array([0.9, 0.7]), np.array([4, 8]))}),
    "no slides": lambda: figures.slide_areas({}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    for copy in ("a.png", "b.png"):
        plotting.save(FIGURES[name](), tmp_path / copy)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_band_lies_between_its_ends() -> None:
    (band,) = FIGURES["curves"]().axes[0].collections
    assert {(x, y) for x, y in band.get_paths()[0].vertices} == {(0, 0), (1, 0.8), (1, 1), (0, 0.3)}


def test_slides_are_sorted_by_their_auc_and_sized_by_their_patches() -> None:
    (points,) = FIGURES["slides"]().axes[0].collections
    assert points.get_offsets().tolist() == [[1, 0.7], [2, 0.9]]
    larger, smaller = points.get_sizes()
    assert larger > smaller


def test_confusion_says_counts_and_the_shares_of_each_row() -> None:
    shown = ["50\n83.3%", "10\n16.7%", "4\n10.0%", "36\n90.0%"]
    assert texts(FIGURES["confusion"]()) == shown


def test_reliability_has_the_diagonal_to_compare_with() -> None:
    lines = FIGURES["reliability"]().axes[0].lines
    assert next(line.get_xydata().tolist() for line in lines) == [[0, 0], [1, 1]]
