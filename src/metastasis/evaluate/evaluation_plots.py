"""Writes the plots of an evaluation: curves with bands, confusion, reliability, scores, slides."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import expit
from sklearn import metrics

from metastasis import plotting, tables
from metastasis.base import files
from metastasis.evaluate import evaluation_figures as figures
from metastasis.evaluate import measuring
from metastasis.results import numbers
from metastasis.results.evaluation import Evaluation
from metastasis.scores import intervals

PARTS = ("test", "validation")  # there may be no test part
NUM_BAND_POINTS = 101  # over the unit interval
MAX_CURVE_POINTS = 200  # more would enlarge the file without improving the picture

Floats = NDArray[np.floating]
Band = tuple[Floats, Floats, Floats] | None


def write(
    parts: Mapping[str, pd.DataFrame],
    evaluation: Evaluation,
    slides: pd.DataFrame,
    folder: Path,
    note: str = "",
) -> None:
    """Write the figures of the parts, each with `note`, and the points of their ROC curves.

    A part has the columns label, slide, patient, logit and probability. `slides` has a row for each
    slide (split, slide, num_patches, num_positive, roc_auc, accuracy).
    """
    confusions, roc, precision_recall = {}, {}, {}
    for name in PARTS:  # DVC shows the plots that dvc.yaml names, and complains if one is missing
        files.write_csv(folder / f"roc-{name}.csv", pd.DataFrame(columns=["fpr", "tpr"]))
    for name, part in sorted(parts.items()):
        confusion = _confusion(part, evaluation.threshold)
        title = (
            f"Confusion matrix of {name},\n"
            f"{len(part):,} patches, threshold {evaluation.threshold:.3f}"
        )
        confusions[title] = confusion
        if part["label"].nunique() < 2:  # noqa: PLR2004  # a curve needs two classes
            continue
        measured = evaluation.parts[name]
        average = numbers.rate(measured.average_precision, measured.num_patches)
        sensitivities, precisions = _curves(part, confusion)
        counted = _counted(name, part)
        roc[name] = (f"{counted}, AUC {measured.area}", sensitivities)
        precision_recall[name] = (f"{counted}, average precision {average}", precisions)
        points = pd.DataFrame({"fpr": sensitivities.x, "tpr": sensitivities.y})
        files.write_csv(folder / f"roc-{name}.csv", points)
    drawn = {
        "confusion": figures.confusion(confusions),
        "roc": figures.curves(
            roc, title="ROC", xlabel="1 - specificity", ylabel="sensitivity", chance="chance"
        ),
        "precision-recall": figures.curves(
            precision_recall, title="Precision and recall", xlabel="recall", ylabel="precision"
        ),
        "reliability": figures.reliability(
            {_counted(name, part): _calibrations(part) for name, part in sorted(parts.items())}
        ),
        "scores": _score_histogram(parts, evaluation.threshold),
        "slides": figures.slide_areas(
            {part: _values(rows, "roc_auc") for part, rows in _by_part(slides, "roc_auc")}
        ),
        "one-class-slides": figures.slide_rates(_rates(slides[slides["roc_auc"].isna()])),
    }
    for name, figure in drawn.items():
        plotting.save(figure, folder / f"{name}.png", note)


def _counted(name: str, part: pd.DataFrame) -> str:
    return f"{name}, {numbers.count(len(part), 'patch', 'patches')}"


def _confusion(part: pd.DataFrame, threshold: float) -> NDArray[np.integer]:
    """Return the counts (2, 2), with true classes in rows and called ones in columns."""
    called = part["probability"] >= threshold
    counts: NDArray[np.integer] = metrics.confusion_matrix(part["label"], called, labels=[0, 1])
    return counts


def _calibrations(part: pd.DataFrame) -> dict[str, tuple[Floats, Floats]]:
    """Return the share of positives by probability, with the temperature and without."""
    labels, plain = part["label"].to_numpy(), expit(part["logit"].to_numpy(np.float64))
    return {
        "calibrated": measuring.calibration(labels, part["probability"].to_numpy())[:2],
        "uncalibrated": measuring.calibration(labels, plain)[:2],
    }


def _curves(
    part: pd.DataFrame, confusion: NDArray[np.integer]
) -> tuple[figures.Curve, figures.Curve]:
    """Return the ROC curve, and precision by recall, each with its band and the threshold's point.

    If nothing is called positive, the precision has no such point.
    """
    labels, logits = part["label"].to_numpy(), part["logit"].to_numpy(np.float64)
    (kept, false_alarms), (missed, found) = confusion.tolist()
    sensitivity, called = found / (missed + found), found + false_alarms
    fpr, tpr, _ = metrics.roc_curve(labels, logits)
    precision, recall, _ = metrics.precision_recall_curve(labels, logits)
    of_sensitivity, of_precision = _bands(part)
    return (
        figures.Curve(
            *_thinned(fpr, tpr),
            of_sensitivity,
            (false_alarms / (kept + false_alarms), sensitivity),
        ),
        figures.Curve(
            *_thinned(recall, precision),
            of_precision,
            (sensitivity, found / called) if called else None,
        ),
    )


def _by_part(slides: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each part with those of its slides for which `column` is defined."""
    for part, rows in slides.dropna(subset=column).groupby("split"):
        yield str(part), rows


def _rates(slides: pd.DataFrame) -> dict[str, dict[str, figures.SlideValues]]:
    """Return each part's specificities of slides without tumour and sensitivities of the others.

    For a slide of one class, the accuracy is one or the other.
    """
    return {
        part: {
            "specificity": _values(rows[rows["num_positive"] == 0], "accuracy"),
            "sensitivity": _values(rows[rows["num_positive"] > 0], "accuracy"),
        }
        for part, rows in _by_part(slides, "accuracy")
    }


def _values(rows: pd.DataFrame, column: str) -> figures.SlideValues:
    return figures.SlideValues(
        rows["slide"].astype("str").tolist(),
        rows[column].to_numpy(np.float64),
        rows["num_patches"].to_numpy(np.int64),
    )


def _score_histogram(parts: Mapping[str, pd.DataFrame], threshold: float) -> Figure:
    name = tables.reported(parts)
    labels, probabilities = (parts[name][key].to_numpy() for key in ("label", "probability"))
    return figures.score_histogram(labels, probabilities, threshold, name)


def _bands(part: pd.DataFrame) -> tuple[Band, Band]:
    """Return the intervals of sensitivity by false positive rate, and of precision by recall.

    They are pointwise, and over the same units as the intervals of the metrics.
    """
    labels, logits = part["label"].to_numpy(), part["logit"].to_numpy()
    groups, _ = intervals.groups(part)
    at = np.linspace(0, 1, NUM_BAND_POINTS)
    max_freedom = intervals.num_informed(labels, groups) - 1
    if max_freedom < 1:
        return None, None

    def measure(kept: NDArray[np.bool_]) -> Floats:
        return np.concatenate(measuring.curves(labels[kept], logits[kept], at))

    without = intervals.without_each(measure, groups)
    estimates = measure(np.ones(len(labels), bool))
    ends = np.array(
        [
            intervals.interval(float(estimate), values, "plain", max_freedom)
            for estimate, values in zip(estimates, without.T, strict=True)
        ]
    )
    low, high = np.clip(ends, 0, 1).T
    half = len(at)
    return (at, low[:half], high[:half]), (at, low[half:], high[half:])


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Thin out the points evenly along the curve's length; both ends are kept."""
    length = np.cumsum(np.hypot(np.diff(x, prepend=x[0]), np.diff(y, prepend=y[0])))
    kept = np.searchsorted(length, np.linspace(0, length[-1], MAX_CURVE_POINTS))
    kept = np.unique(np.append(kept, len(x) - 1))
    return x[kept], y[kept]
