"""Draws the history of the training of each member from DVCLive's tables."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metastasis import plotting

METRICS = ("loss", "accuracy", "auc")  # one panel for each
LINES = {"train": "train", "validation": "eval"}  # part: DVCLive's folder


def draw(logs: Sequence[Path]) -> Figure:
    """Draw loss, accuracy and AUC of training and validation by epoch, a line for each member.

    `logs` are the members' metrics folders by DVCLive, each with a table (step, value) for each
    part and metric.
    """
    figure = Figure(figsize=(plotting.BROAD, 3.6), layout="constrained")
    panels = figure.subplots(1, len(METRICS), squeeze=False)[0]
    opacity = 1 if len(logs) == 1 else 0.5
    for axes, name in zip(panels, METRICS, strict=True):
        for folder, (label, part) in itertools.product(logs, LINES.items()):
            table = pd.read_csv(folder / part / f"{name}.tsv", sep="\t")
            axes.plot(
                table["step"] + 1,
                table[name],
                plotting.STYLES[label],
                color=plotting.PARTS[label],
                label=label if folder == logs[0] else None,
                marker=".",
                alpha=opacity,
            )
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure
