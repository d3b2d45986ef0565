"""Writes the risk-coverage curve: how often calls are wrong, by the share of patches decided."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import plotting
from metastasis.base import files
from metastasis.evaluate import abstaining, evaluation_figures
from metastasis.evaluate.evaluation_figures import Curve
from metastasis.results import numbers
from metastasis.results.decision import Decision
from metastasis.results.evaluation import Evaluation, Part
from metastasis.scores import intervals

SHARES = np.linspace(0.01, 1, 100)  # of the patches
NAME = "risk-coverage"

Floats = NDArray[np.floating]


def write(
    parts: Mapping[str, pd.DataFrame],
    decision: Decision,
    evaluation: Evaluation,
    folder: Path,
    note: str = "",
) -> None:
    """Write the figure of the parts, with `note`, and its points as a table.

    A part has the columns label, slide, patient, region and probability. `evaluation` has the
    metrics of its sets, if a coverage is promised.
    """
    lines, rows = {}, []
    for name, part in sorted(parts.items()):
        errors, band = _curve(part, decision)
        lines[name] = (
            f"{name}, {numbers.count(len(part), 'patch', 'patches')}",
            Curve(SHARES, errors, band, _of_sets(evaluation.parts[name])),
        )
        rows.append(pd.DataFrame({"split": name, "share_decided": SHARES, "share_wrong": errors}))
    promised = (
        "" if decision.sets is None else f"sets of {100 * decision.sets.coverage:g} % coverage"
    )
    figure = evaluation_figures.risk(lines, promised)
    plotting.save(figure, folder / f"{NAME}.png", note)
    files.write_csv(folder / f"{NAME}.csv", pd.concat(rows))


def _curve(part: pd.DataFrame, decision: Decision) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """Return the share of wrong calls at `SHARES`, and its pointwise interval, maybe NaN."""
    labels, probabilities = part["label"].to_numpy(), part["probability"].to_numpy()
    is_called = probabilities >= decision.threshold
    is_wrong = is_called != (labels == 1)
    confidence = abstaining.confidences(probabilities, is_called)
    groups, _ = intervals.groups(part)
    errors = abstaining.risks(is_wrong, confidence, SHARES)
    ends = np.full((len(SHARES), 2), np.nan)
    num_groups = len(np.unique(groups))
    if num_groups > 1:
        without = intervals.without_each(
            lambda kept: abstaining.risks(is_wrong[kept], confidence[kept], SHARES), groups
        )
        ends = np.array(
            [
                intervals.interval(float(error), values, "plain", num_groups - 1)
                for error, values in zip(errors, without.T, strict=True)
            ]
        )
    return errors, (SHARES, *np.clip(ends, 0, 1).T)


def _of_sets(part: Part) -> tuple[float, float] | None:
    """Return the share that the sets decide, and the share of wrong calls among it."""
    found = part.abstention
    if found is None or found.left_share is None or found.decided_accuracy is None:
        return None
    return 1 - found.left_share, 1 - found.decided_accuracy
