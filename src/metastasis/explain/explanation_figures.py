"""Draws galleries of patches, and where a network looks in them, from arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metastasis import plotting
from metastasis.explain.attention import Heat
from metastasis.patches.shards import UInt8

NUM_COLUMNS = 6
CELL = (1.5, 2.0)  # inches of a patch with its caption

Triple = tuple[UInt8, Heat, Heat]  # patches, Grad-CAM, occlusion


def gallery(title: str, patches: UInt8, captions: Sequence[str]) -> Figure:
    """Patches (n, size, size, 3), each over its caption and with its centre boxed."""
    num_rows = max(-(-len(patches) // NUM_COLUMNS), 1)
    size = (CELL[0] * NUM_COLUMNS, CELL[1] * num_rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title if len(patches) else f"{title}: none", fontsize=11)
    panels = figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, patch, caption in zip(panels, patches, captions, strict=False):
        _show(axes, patch)
        axes.set_axis_on()
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(caption, fontsize=8)
    return figure


def attention(rows: Mapping[str, Triple]) -> Figure:
    """A row an outcome; of each patch itself, its Grad-CAM and its occlusion, side by side.

    Heats are drawn from nothing, which is clear, to the patch's own greatest.
    """
    num_columns = 3 * max(max((len(row[0]) for row in rows.values()), default=0), 1)
    figure = Figure(figsize=(1.1 * num_columns + 0.6, 1.35 * len(rows) + 0.4), layout="constrained")
    panels = figure.subplots(len(rows), num_columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    for (name, (patches, looked, covered)), line in zip(rows.items(), panels, strict=True):
        line[0].set_title(name if len(patches) else f"{name}: none", fontsize=9, loc="left")
        for number, patch in enumerate(patches):
            first, second, third = line[3 * number : 3 * number + 3]
            _show(first, patch)
            for axes, heat, kind in (
                (second, looked[number], "Grad-CAM"),
                (third, covered[number], "covered"),
            ):
                _show(axes, patch)
                strength = heat / max(float(heat.max()), np.finfo(np.float32).tiny)
                axes.imshow(strength, cmap="viridis", vmin=0, vmax=1, alpha=0.75 * strength)
                axes.text(
                    0.5, -0.02, kind, fontsize=7, ha="center", va="top", transform=axes.transAxes
                )
    return figure


def _show(axes: Axes, patch: UInt8) -> None:
    axes.imshow(patch, interpolation="nearest")
    axes.add_patch(plotting.centre_box(patch.shape[0], (0, 0)))
