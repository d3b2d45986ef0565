"""Draws galleries of patches, and maps of where a network looks, from arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from metastasis import plotting
from metastasis.explain.attention import Heat
from metastasis.patches.shards import UInt8

NUM_COLUMNS = 6
CELL_HEIGHT = 2.2  # inches: a patch with its caption
HEAT = "viridis"


@dataclass(frozen=True)
class Attended:
    """Patches (n, size, size, 3), each with a caption and two heat maps."""

    patches: UInt8
    captions: Sequence[str]
    looked: Heat  # by Grad-CAM
    covered: Heat  # by occlusion


def gallery(title: str, patches: UInt8, captions: Sequence[str]) -> Figure:
    """Draw patches (n, size, size, 3), each with a caption below and a box around its centre."""
    figure, panels = plotting.new_gallery(
        title, captions, NUM_COLUMNS, row_height=CELL_HEIGHT, rest=0.4
    )
    for axes, patch in zip(panels, patches, strict=True):
        _show(axes, patch)
    return figure


def attention(rows: Mapping[str, Attended], whose: str = "") -> Figure:
    """Draw a row per outcome: each patch beside its Grad-CAM and its occlusion map.

    Heat is drawn from 0, which is transparent, to the map's own maximum. `whose` says which network
    it is, if there are several.
    """
    num_columns = 3 * max(max((len(row.patches) for row in rows.values()), default=0), 1)
    # The padding, in inches, leaves room for the rows' names.
    layout = ConstrainedLayoutEngine(h_pad=0.16)
    figure = Figure(figsize=(plotting.BROAD, 1.75 * len(rows) + 0.9), layout=layout)
    title = "Where the network looks"
    figure.suptitle(f"{title} ({whose})" if whose else title, fontsize=11)
    panels = figure.subplots(len(rows), num_columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    for (name, row), line in zip(rows.items(), panels, strict=True):
        line[0].text(
            0, 1.07, name if len(row.patches) else f"{name}: none", fontsize=10, weight="bold",
            transform=line[0].transAxes, in_layout=False,
        )  # fmt: skip  # a long name would widen the column
        for number, patch in enumerate(row.patches):
            first, second, third = line[3 * number : 3 * number + 3]
            _show(first, patch)
            _caption(first, row.captions[number])
            for axes, heat, kind in (
                (second, row.looked[number], "Grad-CAM"),
                (third, row.covered[number], "occlusion"),
            ):
                _show(axes, patch)
                strength = heat / max(float(heat.max()), np.finfo(np.float32).tiny)
                axes.imshow(strength, cmap=HEAT, vmin=0, vmax=1, alpha=0.75 * strength)
                _caption(axes, kind)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), HEAT), ax=panels, location="bottom", shrink=0.5, aspect=50
    )
    bar.set_label("contribution of each place to the call of tumour, as a share of the maximum")
    bar.outline.set_visible(False)
    return figure


def _caption(axes: Axes, text: str) -> None:
    axes.text(0.5, -0.04, text, fontsize=7, ha="center", va="top", transform=axes.transAxes)


def _show(axes: Axes, patch: UInt8) -> None:
    axes.imshow(patch, interpolation="nearest")
    axes.add_patch(plotting.centre_box(patch.shape[0], (0, 0)))
