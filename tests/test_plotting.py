"""Tests of `plotting` and of the figures of gate and split: they say the numbers they are given."""

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from helpers.figures import texts
from metastasis import plotting
from metastasis.split import split_figures
from metastasis.validate import gate_figures

PATCHES = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), np.uint8)
FIGURES = {
    "balance": lambda: gate_figures.class_balance(60, 40),
    "samples": lambda: gate_figures.samples({"a": PATCHES, "b": PATCHES[:2]}),
    "split": lambda: split_figures.split_balance({"train": (60, 40), "test": (6, 4)}),
    "densities": lambda: gate_figures.class_densities(
        {"a": np.array([1.0, 2, 2, 9]), "b": np.array([])},
        xlabel="x",
        limits=(0, 8),
        marks={"m": 5},
    ),
    "leaks": lambda: split_figures.leaks(
        {
            ("train", "test"): {
                "num_exact_copies": 1234,
                "num_near_copies": 0,
                "num_overlaps": 7,
            },
            ("train", "validation"): {
                "num_exact_copies": 5,
                "num_near_copies": 6,
                "num_overlaps": 0,
            },
        }
    ),
    "quartiles": lambda: slide_quartiles(5),
}


def slide_quartiles(num_slides: int) -> Figure:
    """One panel of slides whose median falls from slide to slide, as their share of positives."""
    medians = np.arange(num_slides, 0, -1.0)
    quartiles = np.stack([medians - 0.5, medians, medians + 0.25], axis=1)
    return gate_figures.slide_quartiles({"brightness": quartiles}, medians / num_slides)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    for copy in ("a.png", "b.png"):
        plotting.save(FIGURES[name](), tmp_path / copy)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"matplotlib" not in (tmp_path / "a.png").read_bytes().lower()
    height, width, _ = np.asarray(cv2.imread(str(tmp_path / "a.png"))).shape
    assert min(height, width) >= 150


def test_class_balance_says_counts_and_shares() -> None:
    assert texts(FIGURES["balance"]()) == ["60\n60.0 %", "40\n40.0 %"]


def test_leaks_say_counts_and_what_is_unknown() -> None:
    figure = FIGURES["leaks"]()
    assert texts(figure) == ["unknown", "unknown", "1,234", "5", "0", "6", "7", "0"]
    assert np.asarray(figure.axes[0].images[0].get_array()).tolist() == [
        [0, 0],
        [1, 1],
        [0, 1],
        [1, 0],
    ]


def test_samples_show_every_patch_with_the_central_32_pixels_boxed() -> None:
    figure = gate_figures.samples({"a": PATCHES, "b": PATCHES[:2]}, num_columns=3)
    shown = []
    for axes in figure.axes:
        (sheet,) = axes.images
        for box in axes.patches:
            assert isinstance(box, Rectangle)
            assert (box.get_width(), box.get_height()) == (32, 32)
            x, y = (int(start - 31.5) for start in (box.get_x(), box.get_y()))
            shown.append(np.asarray(sheet.get_array())[y : y + 96, x : x + 96])
    assert np.array_equal(shown, np.concatenate([PATCHES, PATCHES[:2]]))


def test_densities_have_the_area_1_each_within_the_limits() -> None:
    axes = FIGURES["densities"]().axes[0]
    steps = (patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch))
    (fill, edges, _), (outline, _, _), (empty, _, _), _ = steps
    np.testing.assert_array_equal(fill, outline)
    widths = np.diff(edges)
    assert fill.sum() * widths[0] == pytest.approx(1)
    areas = zip(edges[:-1], fill * widths[0], strict=True)
    shown = {edge: area for edge, area in areas if area}
    assert shown == pytest.approx({1: 1 / 3, 2: 2 / 3})
    assert not empty.any()


def test_slides_are_sorted_by_their_median_and_coloured_by_their_share() -> None:
    axes = FIGURES["quartiles"]().axes[0]
    (points,) = axes.collections
    assert np.asarray(points.get_offsets()).tolist() == [[rank, rank] for rank in range(1, 6)]
    assert np.asarray(points.get_array()).tolist() == [0.2, 0.4, 0.6, 0.8, 1]
    lines = np.asarray(axes.lines[0].get_xydata()).reshape(5, 3, 2)
    assert lines[:, 0].tolist() == [[rank, rank - 0.5] for rank in range(1, 6)]
    assert lines[:, 1].tolist() == [[rank, rank + 0.25] for rank in range(1, 6)]
    assert np.isnan(lines[:, 2, 1]).all()


def test_of_very_many_slides_the_first_the_last_and_every_nth_are_drawn() -> None:
    (points,) = slide_quartiles(5000).axes[0].collections
    ranks = np.asarray(points.get_offsets())[:, 0]
    assert len(ranks) == gate_figures.MAX_SLIDES
    assert (ranks[0], ranks[-1]) == (1, 5000)
    assert set(np.diff(ranks)) == {12, 13}


@pytest.mark.parametrize("name", ["balance", "densities", "quartiles"])
def test_a_figure_is_the_same_svg_each_time_in_the_ink_and_with_words(name: str) -> None:
    first = plotting.svg(FIGURES[name], "#123456")
    assert first == plotting.svg(FIGURES[name], "#123456")
    assert "<metadata>" not in first
    assert mpl.__version__ not in first
    assert "#123456" in first
    word = {"balance": "no tumour", "densities": "density", "quartiles": "brightness"}[name]
    assert f">{word}</text>" in first
    assert "#123456" not in plotting.svg(FIGURES[name], "#abcdef")


@pytest.mark.parametrize("name", ["", "train_002", "H$02_$", "$", r"a\$b", "Präparat 7", "x" * 22])
def test_a_name_is_drawn_as_it_is(tmp_path: Path, name: str) -> None:
    """Two dollars make TeX of what is between them, which may be none."""
    for file, text, is_parsed in (
        ("plain", name, False),
        ("caption", plotting.caption(name, 22), True),
    ):
        figure, axes = plotting.new_axes("", 4.0, 3.0)
        axes.text(0.5, 0.5, text, parse_math=is_parsed)
        plotting.save(figure, tmp_path / file)
    assert (tmp_path / "caption").read_bytes() == (tmp_path / "plain").read_bytes()


def test_a_long_name_keeps_both_ends() -> None:
    names = [f"tcga-a1-a0sa-01z-00-dx1.b34c267b-cafe-4d12-{number}" for number in range(100, 200)]
    shown = [plotting.caption(name, 22) for name in names]
    assert len(set(shown)) == len(names)
    assert {len(each) for each in shown} == {22}
    assert all(name.startswith(each[:11]) for each, name in zip(shown, names, strict=True))
