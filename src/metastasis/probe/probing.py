"""Fits the linear probe of a frozen network on train; measures it on validation and test.

`regression` chooses its penalty, on train alone. The scores can be compared with `evaluate`'s.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics

from metastasis import feature_files, tables
from metastasis.base import records
from metastasis.base.errors import InputError
from metastasis.probe import regression
from metastasis.probe.probe_params import ProbeParams
from metastasis.results import numbers, provenance
from metastasis.results.probe import FewShot, ProbedPart, ProbeMetrics
from metastasis.scores import intervals

WATCHED = ("validation", "test")


def probe(
    params: ProbeParams,
    *,
    features_folder: Path,
    split_path: Path,
    source_path: Path,
    scores_path: Path,
    metrics_path: Path,
) -> None:
    """Write the scores of validation and test, and their metrics.

    Raises:
        InputError: patches lack features, or train or validation lacks a class.
    """
    table = tables.read_patches(split_path)
    features = feature_files.read(features_folder)
    train = table[table["split"] == "train"]
    watched = table[table["split"].isin(WATCHED)].reset_index(drop=True)
    _check(table, params.k)
    trained_on, labels = features.of(train["id"]), train["label"].to_numpy()
    scale = regression.scale(trained_on)
    trained_on = scale.apply(trained_on)
    areas = regression.choose(trained_on, labels, train["group"].to_numpy())
    strength = max(areas, key=lambda each: areas[each])  # the strongest penalty of equals
    fitted = regression.fit(trained_on, labels, strength)
    few = [] if params.k is None else regression.few_shot(trained_on, labels, params.k)
    judged_on = scale.apply(features.of(watched["id"]))
    scores = watched.assign(logit=fitted.decision_function(judged_on))
    tables.write_scores(scores_path, scores)
    parts: dict[str, Any] = {}
    for name, part in scores.groupby("split"):
        measured = _measured(part)
        if params.k is not None:
            logits = [each.decision_function(judged_on[part.index]) for each in few]
            measured |= _few_shot(part["label"].to_numpy(), logits, params.k)
        parts[str(name)] = ProbedPart(**measured)
    known = provenance.read(source_path)
    found = ProbeMetrics(
        **parts,
        C=strength,
        num_features=trained_on.shape[1],
        **tables.disjointness(table),
        is_drawn=known.is_drawn,
    )
    records.write_metrics(metrics_path, found)
    _report(features_folder.name, found, areas, dict(Counter(table["split"])))
    if known.warning:
        print(f"warning: {known.warning}")


def _check(table: pd.DataFrame, k: int | None) -> None:
    """Raise InputError unless train and validation have both classes, and train `k` of each."""
    for part in ("train", "validation"):
        found = sorted(table.loc[table["split"] == part, "label"].unique().tolist())
        if found != [0, 1]:
            raise InputError(
                f"probe: {part} has the labels {found}; expected patches of both classes. Choose "
                "another split.seed, or larger shares."
            )
    if k is not None:
        regression.check_few_shot(table.loc[table["split"] == "train", "label"].to_numpy(), k)


def _measured(part: pd.DataFrame) -> dict[str, Any]:
    """Return AUC with its interval, and balanced accuracy, of the scores of a part."""
    labels, logits = part["label"].to_numpy(), part["logit"].to_numpy()
    groups, _ = intervals.groups(part)

    def measure(kept: NDArray[np.bool_]) -> dict[str, float]:
        return {"roc_auc": _area(labels[kept], logits[kept])}

    low, high = intervals.ends(measure, labels, groups)["roc_auc"]
    found = {
        "roc_auc": _area(labels, logits),
        "roc_auc_low": low,
        "roc_auc_high": high,
        "balanced_accuracy": _balanced(labels, logits),
    }
    return {name: None if np.isnan(number) else number for name, number in found.items()}


def _area(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        return np.nan
    return float(metrics.roc_auc_score(labels, logits))


def _balanced(labels: NDArray[np.integer], logits: NDArray[np.floating]) -> float:
    """Return the mean share of correct calls of both classes, at probability 0.5."""
    if len(np.unique(labels)) < 2:  # noqa: PLR2004  # classes
        return np.nan
    return float(metrics.balanced_accuracy_score(labels, logits >= 0))


def _few_shot(
    labels: NDArray[np.integer], logits: list[NDArray[np.floating]], k: int
) -> dict[str, FewShot]:
    """Return the metrics over few-shot probes, each of which gave logits (n,)."""
    areas = [_area(labels, each) for each in logits]
    accuracies = [_balanced(labels, each) for each in logits]
    if np.isnan(areas).any():
        return {}
    found = FewShot(
        k=k,
        roc_auc_mean=float(np.mean(areas)),
        roc_auc_std=float(np.std(areas, ddof=1)),
        balanced_accuracy_mean=float(np.mean(accuracies)),
        balanced_accuracy_std=float(np.std(accuracies, ddof=1)),
    )
    return {"few_shot": found}


def _report(
    name: str, found: ProbeMetrics, areas: dict[float, float], sizes: dict[str, int]
) -> None:
    """Print the choice of C, and the AUC of each part."""
    print(
        f"probe: {name}: C {found.C:g} by cross-validation on train "
        f"(AUC {numbers.rate(areas[found.C], sizes['train'])})"
    )
    if found.C in (min(areas), max(areas)):
        print(f"warning: C {found.C:g} is the end of the grid; another value may be better.")
    for part_name, part in (("validation", found.validation), ("test", found.test)):
        if part is None:
            continue
        num = sizes[part_name]
        interval = numbers.interval(part.roc_auc_low, part.roc_auc_high, num)
        shown = f" ({interval})" if interval else ""
        print(
            f"probe: {part_name} AUC {numbers.rate(part.roc_auc, num)}{shown}, balanced accuracy "
            f"{numbers.rate(part.balanced_accuracy, num)} on "
            f"{numbers.count(num, 'patch', 'patches')}"
        )
        if part.few_shot:
            few = part.few_shot
            print(
                f"probe: {part_name} AUC {few.roc_auc_mean:.3f} (standard deviation "
                f"{few.roc_auc_std:.3f}) with {few.k:,} training patches of each class"
            )
