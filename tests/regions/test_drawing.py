"""A region shows the pixels that its patches were cut from, each at its place."""

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from metastasis.patches import shards
from metastasis.patches.shards import Patches
from metastasis.regions import drawing

AREA = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)
CORNERS = {"a": (0, 16), "b": (32, 0), "c": (300, 400)}


def patches() -> Patches:
    stack = np.stack([AREA[y : y + 96, x : x + 96] for y, x in CORNERS.values()])
    index = pd.DataFrame({"pool": "labelled", "id": list(CORNERS), "shard": 0, "row": range(3)})
    return Patches(index, (stack,))


def region(*ids: str) -> pd.DataFrame:
    rows = [("labelled", id_, *CORNERS[id_], 1, "0.93", False) for id_ in ids]
    columns = ["pool", "id", "down", "right", "label", "said", "is_wrong"]
    return pd.DataFrame(rows, columns=columns)


def test_stitched_patches_are_the_area_that_they_were_cut_from() -> None:
    canvas = drawing.stitch(region("b", "a"), patches())
    assert canvas.shape == (128, 112, 3)
    np.testing.assert_array_equal(canvas[:96, 16:], AREA[:96, 16:112])
    np.testing.assert_array_equal(canvas[32:, :96], AREA[32:128, :96])
    assert (canvas[:32, :16] == drawing.BLANK).all()


def test_of_a_large_region_only_what_lies_near_the_focus_is_drawn() -> None:
    shown = drawing.show("", region("a", "b", "c"), "b", patches())
    assert shown.patches["id"].tolist() == ["a", "b"]
    far = drawing.show("", region("a", "b", "c"), "c", patches())
    assert far.patches["id"].tolist() == ["c"]
    np.testing.assert_array_equal(far.pixels, AREA[300:396, 400:496])


def test_every_centre_has_a_box_of_its_label_with_its_text() -> None:
    rows = region("a", "b").assign(label=[1, 0], is_wrong=[True, False])
    figure = drawing.draw("title", [drawing.show("caption", rows, "a", patches())])
    axes = figure.axes[0]
    boxes = {box.get_xy(): box for box in axes.patches if isinstance(box, Rectangle)}
    assert set(boxes) == {(48, 32), (32, 64)}  # right, down of the centres
    assert boxes[48, 32].get_linewidth() > boxes[32, 64].get_linewidth()
    assert boxes[48, 32].get_edgecolor() != boxes[32, 64].get_edgecolor()
    assert {box.get_width() for box in boxes.values()} == {shards.CENTRE_SIZE}
    assert [text.get_text() for text in axes.texts] == ["0.93", "0.93"]
    assert axes.get_xlabel() == "caption"


def test_the_numbers_of_very_many_patches_are_left_out() -> None:
    rows = pd.concat([region("a")] * (drawing.MAX_TEXTS + 1), ignore_index=True)
    figure = drawing.draw("title", [drawing.Shown("", rows, AREA[:96, :112])])
    assert not figure.axes[0].texts
    assert len(figure.axes[0].patches) == len(rows)


def test_without_regions_the_title_says_none() -> None:
    assert drawing.draw("Regions", []).get_suptitle() == "Regions: none"
