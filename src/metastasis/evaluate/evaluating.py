"""Scores validation and test: what is decided, from validation alone; every number from both.

The numbers themselves are `measuring`'s, how sure they are `intervals`', the figures `plotting`'s.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.special import expit

from metastasis import models, numbers, provenance, saving, stains, tables
from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.evaluate import evaluation_plots, measuring
from metastasis.evaluate.evaluate_params import EvaluateParams
from metastasis.patches import shards
from metastasis.scores import deciding, intervals, scoring

NUM_STAINS = 8  # clusters of stain that are measured by themselves
STAIN_SEED = 0
COLOURS = ["mean_red", "mean_green", "mean_blue"]  # the inventory's
COLUMNS = ("id", "split", "label", "slide", "patient", "logit")  # of the scores
MEASURED = ("label", "probability", "logit")
MEASURED_BY = ("roc_auc", "accuracy")  # slide and stain
NUM_NAMED = 3
UNCALIBRATED = ("nll", "brier", "calibration_error")  # what the temperature changes
# What a reviewer compares, in this order, beside the AUC with its interval; the rest is beside it.
COMPARED = ("accuracy", "sensitivity", "specificity", "average_precision", "calibration_error")


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
    """Write scores, decision, final model, and the numbers and plots of validation and test.

    The final model is the network with the decision's temperature and flips and turns inside. The
    evaluation holds every number with its interval, the metrics the few that are compared from one
    experiment to another. An official split may have no test part: then validation alone is
    reported.

    Raises:
        InputError: the network gives no number for a patch, or validation is of one class.
    """
    table = tables.read_patches(split_path)
    watched = table[table["split"].isin(["validation", "test"])].reset_index(drop=True)
    patches = shards.read(crops_folder)
    places = patches.locate(watched["id"], "labelled")
    logits = scoring.score(network_path, patches, places, params.tta)
    _check(logits, watched["id"])
    scores = watched.assign(logit=logits)
    tables.write_patches(scores_path, scores[list(COLUMNS)])

    validation = scores[scores["split"] == "validation"]
    decision = deciding.decide(
        validation["label"].to_numpy(),
        validation["logit"].to_numpy(),
        sensitivity=params.sensitivity,
        tta=params.tta,
    )
    deciding.write(decision_path, decision)
    network = keras.saving.load_model(network_path)
    saving.save(models.to_final(network, decision.temperature, decision.tta), model_path)
    scores["probability"] = decision.probabilities(logits)
    scores["stain"] = _stains(inventory_path, watched["id"])
    # Sorted, each of many measurements finds its curve at once.
    scores = scores.sort_values(["split", "logit", "id"], ignore_index=True)
    parts = {str(name): part for name, part in scores.groupby("split")}
    measured = {name: _numbers(part, decision) for name, part in parts.items()}
    known = provenance.read(source_path)
    facts = {
        "threshold": decision.threshold,
        **tables.disjointness(table),
        "is_drawn": known.is_drawn,
    }
    files.write_json(evaluation_path, measured | facts | {"temperature": decision.temperature})
    compared = {name: _compared(measured[name]) for name in sorted(measured)}  # test first
    files.write_metrics(metrics_path, compared | facts)
    by = {name: _by(scores, name, decision) for name in ("slide", "stain")}
    for name, rows in by.items():
        files.write_csv(plots_folder / f"{name}s.csv", rows)
    evaluation_plots.write(parts, by["slide"], decision, plots_folder, known.note)
    _tell(measured, by)
    _tell_shared(table)
    if told := deciding.warning(decision):
        print(f"warning: {told}")
    if known.is_drawn:
        print(f"warning: {known.warning}")


def _check(logits: measuring.Floats, ids: pd.Series) -> None:
    is_number = np.isfinite(logits)
    if not is_number.all():
        raise InputError(
            f"evaluate: the network gives no number for {(~is_number).sum():,} patches "
            f"({', '.join(ids[~is_number][:NUM_NAMED])}); its weights are broken. Train it again."
        )


def _stains(inventory_path: Path, ids: pd.Series) -> pd.Series:
    """Return a name for the stain of each patch, the same for patches stained alike."""
    inventory = pd.read_parquet(inventory_path, columns=["id", "pool", *COLOURS])
    labelled = inventory[inventory["pool"] == "labelled"].drop_duplicates("id").set_index("id")
    colours = labelled.loc[ids, COLOURS].to_numpy(np.float64)
    return pd.Series([f"stain {n}" for n in stains.clusters(colours, NUM_STAINS, STAIN_SEED)])


def _numbers(part: pd.DataFrame, decision: deciding.Decision) -> dict[str, Any]:
    """Return the metrics of a part, with their intervals, and some without calibration."""
    groups, unit = intervals.groups(part)
    raw = expit(part["logit"].to_numpy(np.float64))
    uncalibrated = measuring.summarize(part["label"].to_numpy(), raw, decision.threshold)
    return {
        "num_patches": len(part),
        **{f"num_{name}s": _num_known(part[name]) for name in ("slide", "patient")},
        **{name: _defined(number) for name, number in _measured(part, decision).items()},
        "interval": _intervals(part, decision, groups) | {"over": unit},
        "uncalibrated": {name: uncalibrated[name] for name in UNCALIBRATED},
    }


def _compared(found: dict[str, Any]) -> dict[str, float | None]:
    """Return the metrics of a part that are compared."""
    ends = {f"roc_auc_{end}": found["interval"]["roc_auc"][end] for end in ("low", "high")}
    return {"roc_auc": found["roc_auc"]} | ends | {name: found[name] for name in COMPARED}


def _num_known(names: pd.Series) -> int | None:
    """Return how many there are, or None if one is unknown."""
    return int(names.nunique()) if names.notna().all() else None


def _measured(part: pd.DataFrame, decision: deciding.Decision) -> dict[str, float]:
    labels, probabilities, logits = (part[name].to_numpy() for name in MEASURED)
    return measuring.summarize(labels, probabilities, decision.threshold, logits)


def _intervals(
    part: pd.DataFrame, decision: deciding.Decision, groups: intervals.Groups
) -> dict[str, Any]:
    labels, probabilities, logits = (part[name].to_numpy() for name in MEASURED)
    ends = measuring.interval_ends(labels, probabilities, decision.threshold, groups, logits)
    return {
        name: {"low": _defined(low), "high": _defined(high)} for name, (low, high) in ends.items()
    }


def _defined(number: float) -> float | None:
    """Return the number, or what JSON has for one that isn't defined."""
    return None if np.isnan(number) else number


def _by(scores: pd.DataFrame, column: str, decision: deciding.Decision) -> pd.DataFrame:
    """Return each slide or stain of each part with its AUC and accuracy, the worst AUC first."""
    rows = []
    for (split, name), part in scores.groupby(["split", column]):
        measured = _measured(part, decision)
        counts = {"num_patches": len(part), "num_positive": int(part["label"].sum())}
        rows.append({"split": split, column: name} | counts | {k: measured[k] for k in MEASURED_BY})
    columns = ["split", column, "num_patches", "num_positive", *MEASURED_BY]
    return pd.DataFrame(rows, columns=columns).sort_values(["split", "roc_auc", column])


def _tell(measured: dict[str, dict[str, Any]], by: dict[str, pd.DataFrame]) -> None:
    for name in sorted(measured, reverse=True):  # validation first
        found = measured[name]
        ends, unit = found["interval"]["roc_auc"], found["interval"]["over"]
        num = found["num_patches"]
        interval = numbers.interval(ends, num)
        print(
            f"evaluate: {name} AUC {numbers.rate(found['roc_auc'], num)}"
            + (f" ({interval})" if interval else "")
            + f", accuracy "
            f"{numbers.rate(found['accuracy'], num)} on {numbers.count(num, 'patch', 'patches')}"
            + (f" of {numbers.count(found[f'num_{unit}'], unit[:-1])}" if unit != "patches" else "")
        )
    reported = tables.reported(measured)
    for column, rows in by.items():
        worst = intervals.lowest(rows, column, reported)[:1]
        for name, area, num in worst[[column, "roc_auc", "num_patches"]].to_numpy().tolist():
            print(
                f"evaluate: lowest AUC of a {column} in {reported}: {numbers.rate(area, num)}, "
                f"{name}, {num:,} patches"
            )
    unit, few = measured[reported]["interval"]["over"], intervals.FEW_SLIDES
    if unit != "patches" and measured[reported][f"num_{unit}"] < few:
        units = numbers.count(measured[reported][f"num_{unit}"], unit[:-1])
        print(f"warning: {reported} has {units}; below {few} the intervals are rough")
    if "test" not in measured:
        print("evaluate: there is no test part; the threshold was chosen on these patches too")


def _tell_shared(table: pd.DataFrame) -> None:
    if not tables.is_slide_disjoint(table):
        print("evaluate: slides are unknown or shared between splits: these numbers are optimistic")
    elif tables.is_patient_disjoint(table) is False:
        print("evaluate: patients are shared between splits: these numbers are optimistic")
