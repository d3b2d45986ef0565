"""Scores validation and test; decides on validation alone and measures both.

`measuring` computes the metrics, `intervals` their intervals and `evaluation_figures` the figures.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from metastasis import models, saving, stains, tables
from metastasis.base import files, records
from metastasis.base.errors import InputError, named
from metastasis.evaluate import abstaining, deciding, evaluation_plots, measuring, risk_plots
from metastasis.evaluate.evaluate_params import EvaluateParams
from metastasis.patches import shards
from metastasis.results import numbers, provenance
from metastasis.results.decision import Decision
from metastasis.results.evaluation import (
    Compared,
    Evaluation,
    EvaluationMetrics,
    Interval,
    Intervals,
    Part,
    Uncalibrated,
)
from metastasis.scores import intervals, scoring

NUM_STAINS = 8  # clusters of stain, each measured separately
STAIN_SEED = 0
COLOURS = ["mean_red", "mean_green", "mean_blue"]  # columns of the inventory
MEASURED = ("label", "probability", "logit")
MEASURED_BY = ("roc_auc", "accuracy")  # metrics of each slide and stain


def evaluate(  # noqa: PLR0913  # a path for each thing that is written
    params: EvaluateParams,
    *,
    network_path: Path,
    split_path: Path,
    inventory_path: Path,
    source_path: Path,
    crops_folder: Path,
    scores_path: Path,
    decision_path: Path,
    model_path: Path,
    evaluation_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Write scores, decision, final model, and the metrics and plots of validation and test.

    The final model is the network with the decision's temperature, flips and turns built in. The
    evaluation holds every metric with its interval; the metrics file holds the few metrics that
    are compared between experiments. If an official split has no test part, only validation is
    reported.

    Raises:
        InputError: the network's output for a patch is not a number, or validation has one class.
    """
    table = tables.read_patches(split_path)
    watched = table[table["split"].isin(["validation", "test"])].reset_index(drop=True)
    patches = shards.read(crops_folder)
    places = patches.locate(watched["id"], "labelled")
    logits = scoring.score(network_path, patches, places, params.tta)
    _check(logits, watched["id"])
    scores = watched.assign(logit=logits)
    tables.write_scores(scores_path, scores)

    validation = scores[scores["split"] == "validation"]
    decision = deciding.decide(
        validation["label"].to_numpy(),
        validation["logit"].to_numpy(),
        sensitivity=params.sensitivity,
        tta=params.tta,
    )
    few: list[str] = []
    if params.coverage is not None:
        decision, few = _with_sets(decision, validation, params.coverage)
    records.write(decision_path, decision)
    network = keras.saving.load_model(network_path)
    saving.save(models.to_final(network, decision.temperature, decision.tta), model_path)
    scores["probability"] = decision.probabilities(logits)
    scores["stain"] = _stains(inventory_path, watched["id"])
    # Sorted once, so that each of the many measurements needs no sorting.
    scores = scores.sort_values(["split", "logit", "id"], ignore_index=True)
    parts = {str(name): part for name, part in scores.groupby("split")}
    measured = {name: _numbers(part, decision) for name, part in parts.items()}
    known = provenance.read(source_path)
    facts: dict[str, Any] = {
        "threshold": decision.threshold,
        **tables.disjointness(table),
        "is_drawn": known.is_drawn,
    }
    evaluation = Evaluation(**measured, **facts, temperature=decision.temperature)
    records.write(evaluation_path, evaluation)
    compared = {name: _compared(part) for name, part in measured.items()}
    records.write_metrics(metrics_path, EvaluationMetrics(**compared, **facts))
    by = {name: _by(scores, name, decision) for name in ("slide", "stain")}
    for name, rows in by.items():
        files.write_csv(plots_folder / f"{name}s.csv", rows)
    evaluation_plots.write(parts, evaluation, by["slide"], plots_folder, known.note)
    risk_plots.write(parts, decision, plots_folder, known.note)
    _report(evaluation, by)
    for warning in filter(None, [*evaluation.warnings(), decision.warning(), *few, known.warning]):
        print(f"warning: {warning}")


def _check(logits: measuring.Floats, ids: pd.Series) -> None:
    is_number = np.isfinite(logits)
    if not is_number.all():
        raise InputError(
            f"evaluate: the network's output is not a number for {(~is_number).sum():,} patches "
            f"({named(ids[~is_number])}); its weights are broken. Train it again."
        )


def _with_sets(
    decision: Decision, validation: pd.DataFrame, coverage: float
) -> tuple[Decision, list[str]]:
    """Return the decision with the sets of that coverage, and warnings about them."""
    labels = validation["label"].to_numpy()
    groups, unit = intervals.groups(validation)
    probabilities = decision.probabilities(validation["logit"].to_numpy())
    sets = abstaining.choose(labels, probabilities, groups, coverage)
    warnings = abstaining.warnings(sets, labels, groups, unit)
    return decision.model_copy(update={"sets": sets}), warnings


def _stains(inventory_path: Path, ids: pd.Series) -> pd.Series:
    """Return the name of the stain cluster of each patch."""
    inventory = pd.read_parquet(inventory_path, columns=["id", "pool", *COLOURS])
    labelled = inventory[inventory["pool"] == "labelled"].drop_duplicates("id").set_index("id")
    colours = labelled.loc[ids, COLOURS].to_numpy(np.float64)
    return pd.Series([f"stain {n}" for n in stains.clusters(colours, NUM_STAINS, STAIN_SEED)])


def _numbers(part: pd.DataFrame, decision: Decision) -> Part:
    """Return the metrics of a part with their intervals, and some metrics before calibration."""
    groups, unit = intervals.groups(part)
    as_given = expit(part["logit"].to_numpy(np.float64))
    raw = measuring.summarise(part["label"].to_numpy(), as_given, decision.threshold)
    return Part(
        num_patches=len(part),
        num_slides=_num_known(part["slide"]),
        num_patients=_num_known(part["patient"]),
        num_regions=_num_known(part["region"]),
        **{name: _defined(number) for name, number in _measured(part, decision).items()},
        interval=Intervals(over=unit, **_intervals(part, decision, groups)),
        uncalibrated=Uncalibrated(**{name: raw[name] for name in Uncalibrated.model_fields}),
        **abstaining.measure(part, decision, groups),
    )


def _compared(part: Part) -> Compared:
    """Return those metrics of a part that are compared between experiments."""
    ends = part.interval.roc_auc
    return Compared(
        roc_auc_low=ends.low,
        roc_auc_high=ends.high,
        **part.model_dump(include=set(Compared.model_fields)),
        **(part.abstention.model_dump(exclude={"interval"}) if part.abstention else {}),
    )


def _num_known(names: pd.Series) -> int | None:
    """Return the number of different names, or None if one is unknown."""
    return int(names.nunique()) if names.notna().all() else None


def _arrays(part: pd.DataFrame) -> Iterator[NDArray[Any]]:
    """Yield labels, probabilities, logits, and weights with which each region counts once."""
    for name in MEASURED:
        yield part[name].to_numpy()
    yield measuring.once_each(part["region"])


def _measured(part: pd.DataFrame, decision: Decision) -> dict[str, float]:
    labels, probabilities, logits, weights = _arrays(part)
    return measuring.summarise(labels, probabilities, decision.threshold, logits, weights)


def _intervals(
    part: pd.DataFrame, decision: Decision, groups: intervals.Groups
) -> dict[str, Interval]:
    labels, probabilities, logits, weights = _arrays(part)
    ends = measuring.interval_ends(
        labels, probabilities, decision.threshold, groups, logits, weights
    )
    return {
        name: Interval(low=_defined(low), high=_defined(high)) for name, (low, high) in ends.items()
    }


def _defined(number: float) -> float | None:
    """Return the number, or None if it isn't defined."""
    return None if np.isnan(number) else number


def _by(scores: pd.DataFrame, column: str, decision: Decision) -> pd.DataFrame:
    """Return the AUC and accuracy of each slide or stain of each part, the lowest AUC first."""
    rows = []
    for (split, name), part in scores.groupby(["split", column]):
        measured = _measured(part, decision)
        counts = {"num_patches": len(part), "num_positive": int(part["label"].sum())}
        rows.append({"split": split, column: name} | counts | {k: measured[k] for k in MEASURED_BY})
    columns = ["split", column, "num_patches", "num_positive", *MEASURED_BY]
    return pd.DataFrame(rows, columns=columns).sort_values(["split", "roc_auc", column])


def _report(evaluation: Evaluation, by: dict[str, pd.DataFrame]) -> None:
    """Print the AUC and accuracy of each part, and the lowest AUCs of a slide and of a stain."""
    for name, part in reversed(evaluation.parts.items()):  # test last, where readers look
        interval = f" ({part.area_interval})" if part.area_interval else ""
        units = f" of {part.counted}" if part.interval.over in intervals.INDEPENDENT else ""
        num = part.num_patches
        print(
            f"evaluate: {name} AUC {part.area}{interval}, accuracy "
            f"{numbers.rate(part.accuracy, num)} on {numbers.count(num, 'patch', 'patches')}{units}"
        )
    reported, part = evaluation.reported
    if part.abstention:
        left = numbers.percent(part.abstention.left_share, part.num_patches)
        accuracy = numbers.rate(part.abstention.decided_accuracy, part.num_patches)
        print(f"evaluate: {left} of {reported} are left to a pathologist; accuracy else {accuracy}")
    for column, rows in by.items():
        worst = intervals.lowest(rows, column, reported)[:1]
        for name, area, num in worst[[column, "roc_auc", "num_patches"]].to_numpy().tolist():
            print(
                f"evaluate: lowest AUC of a {column} in {reported}: {numbers.rate(area, num)}, "
                f"{name}, {num:,} patches"
            )
