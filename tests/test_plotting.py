"""Tests of `metastasis.plotting`: figures say the numbers they are given, in the same bytes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from metastasis import plotting

LINE = (np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.9, 1.0]))
PATCHES = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), np.uint8)
FIGURES = {
    "balance": lambda: plotting.class_balance(60, 40),
    "samples": lambda: plotting.samples({"a": PATCHES, "b": PATCHES[:2]}),
    "confusion": lambda: plotting.confusion(np.array([[50, 10], [4, 36]]), "Confusion"),
    "curves": lambda: plotting.curves({"test": LINE}, title="ROC", xlabel="x", ylabel="y"),
    "reliability": lambda: plotting.reliability({"test": LINE, "validation": LINE}),
    "scores": lambda: plotting.score_histogram(np.array([0, 1]), np.array([0.2, 0.8]), 0.5),
    "history": lambda: plotting.history({"loss": {"train": LINE, "validation": LINE}}),
    "split": lambda: plotting.split_balance({"train": (60, 40), "test": (6, 4)}),
}


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return [text for text in found if text]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    for copy in ("a.png", "b.png"):
        plotting.save(FIGURES[name](), tmp_path / copy)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in (tmp_path / "a.png").read_bytes().lower()
    height, width, _ = cv2.imread(str(tmp_path / "a.png")).shape
    assert min(height, width) >= 150


def test_class_balance_says_counts_and_shares() -> None:
    assert texts(FIGURES["balance"]()) == ["60\n60.00%", "40\n40.00%"]


def test_confusion_says_counts_and_the_shares_of_each_row() -> None:
    shown = ["50\n83.3%", "10\n16.7%", "4\n10.0%", "36\n90.0%"]
    assert texts(FIGURES["confusion"]()) == shown


def test_samples_show_every_patch_with_the_central_32_pixels_boxed() -> None:
    figure = FIGURES["samples"]()
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 7
    for axes in shown:
        (box,) = axes.patches
        assert (box.get_x(), box.get_y()) == (31.5, 31.5)
        assert (box.get_width(), box.get_height()) == (32, 32)


def test_reliability_has_the_diagonal_to_compare_with() -> None:
    lines = FIGURES["reliability"]().axes[0].lines
    assert [line.get_xydata().tolist() for line in lines][-1] == [[0, 0], [1, 1]]
