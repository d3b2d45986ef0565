"""Scores validation and test: the threshold from validation alone, every number from both.

The numbers themselves are `measuring`'s, the figures `plotting`'s.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import expit
from sklearn import metrics

from metastasis import files, measuring, plotting, scoring, shards, tables
from metastasis.params import Section

MAX_CURVE_POINTS = 200  # more make a curve's file large and its picture no better


class EvaluateParams(Section):
    """How patches are scored, and the threshold chosen on validation."""

    sensitivity: Annotated[float, Field(gt=0, le=1)] | None
    tta: scoring.TestTime


def evaluate(
    params: EvaluateParams,
    *,
    model_path: Path,
    split_path: Path,
    crops_folder: Path,
    scores_path: Path,
    decision_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Write the scores, the decision, the metrics and the plots of validation and test.

    An official split may have no test part: then validation alone is reported.
    """
    table = tables.read_patches(split_path)
    watched = table[table["split"].isin(["validation", "test"])].reset_index(drop=True)
    patches = shards.read(crops_folder)
    places = patches.locate(watched["id"], "labelled")
    scores = watched.assign(logit=scoring.score(model_path, patches, places, params.tta))
    files.write_csv(scores_path, scores[["id", "split", "label", "slide", "logit"]])

    probabilities = expit(scores["logit"].to_numpy(np.float64))
    parts: dict[str, measuring.Scored] = {
        str(name): (part["label"].to_numpy(), probabilities[part.index])
        for name, part in scores.groupby("split")
    }
    threshold = measuring.choose_threshold(*parts["validation"], params.sensitivity)
    files.write_json(decision_path, {"threshold": threshold, "tta": params.tta})
    numbers: dict[str, Any] = {
        name: measuring.summarize(*part, threshold) for name, part in parts.items()
    }
    facts = {"threshold": threshold, "slide_disjoint": tables.is_slide_disjoint(table)}
    files.write_json(metrics_path, numbers | facts)
    _plot(parts, threshold, plots_folder)
    for name in sorted(parts, reverse=True):  # validation first
        print(
            f"evaluate: {name} AUC {numbers[name]['roc_auc']:.4f}, accuracy "
            f"{numbers[name]['accuracy']:.4f} on {numbers[name]['num_patches']:,} patches"
        )
    if "test" not in parts:
        print("evaluate: there is no test part; the threshold was chosen on these patches too")
    if not facts["slide_disjoint"]:
        print("evaluate: slides are unknown or shared between splits: these numbers flatter")


def _plot(parts: dict[str, measuring.Scored], threshold: float, folder: Path) -> None:
    roc, precision_recall, reliability = {}, {}, {}
    for name, (labels, probabilities) in sorted(parts.items()):
        fpr, tpr, _ = metrics.roc_curve(labels, probabilities)
        precision, recall, _ = metrics.precision_recall_curve(labels, probabilities)
        area = metrics.roc_auc_score(labels, probabilities)
        average = metrics.average_precision_score(labels, probabilities)
        roc[f"{name} (AUC {area:.4f})"] = _thinned(fpr, tpr)
        precision_recall[f"{name} (AP {average:.4f})"] = _thinned(recall, precision)
        reliability[name] = measuring.calibration(labels, probabilities)
        confusion = metrics.confusion_matrix(labels, probabilities >= threshold)
        title = f"Confusion, {name}, threshold {threshold:.3f}"
        plotting.save(plotting.confusion(confusion, title), folder / f"confusion-{name}.png")
        points = pd.DataFrame(dict(zip(("fpr", "tpr"), _thinned(fpr, tpr), strict=True)))
        files.write_csv(folder / f"roc-{name}.csv", points)
    figures = {
        "roc": plotting.curves(roc, title="ROC", xlabel="1 - specificity", ylabel="sensitivity"),
        "precision-recall": plotting.curves(
            precision_recall, title="Precision and recall", xlabel="recall", ylabel="precision"
        ),
        "reliability": plotting.reliability(reliability),
        "scores": plotting.score_histogram(*parts.get("test", parts["validation"]), threshold),
    }
    for name, figure in figures.items():
        plotting.save(figure, folder / f"{name}.png")


def _thinned(x: measuring.Floats, y: measuring.Floats) -> tuple[measuring.Floats, measuring.Floats]:
    """Keep points evenly along the curve's length, both ends among them."""
    length = np.cumsum(np.hypot(np.diff(x, prepend=x[0]), np.diff(y, prepend=y[0])))
    kept = np.searchsorted(length, np.linspace(0, length[-1], MAX_CURVE_POINTS))
    kept = np.unique(np.append(kept, len(x) - 1))
    return x[kept], y[kept]
