"""Figures: a line to draw, and the texts in the axes."""

import numpy as np
from matplotlib.figure import Figure

LINE = (np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.9, 1.0]))


def texts(figure: Figure) -> list[str]:
    """Return all texts in the figure's axes, in order."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return [text for text in found if text]
