"""Assesses the combined scores: every metric of each part with its interval, and of its slides.

`measuring` computes the metrics, `intervals` their intervals.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn import metrics

from metastasis import members, tables
from metastasis.evaluate import abstaining, measuring
from metastasis.members import Member
from metastasis.results.decision import Decision
from metastasis.results.evaluation import (
    Compared,
    Evaluation,
    EvaluationMetrics,
    Interval,
    Intervals,
    MemberAreas,
    MembersCompared,
    Part,
    Spread,
    Uncalibrated,
    defined,
)
from metastasis.scores import intervals

MEASURED = ("label", "probability", "logit")
GROUPED_BY = ("slide", "stain")  # columns of the scores, whose groups are measured separately


class Assessed(NamedTuple):
    """What is known of the scores."""

    evaluation: Evaluation  # every metric with its interval
    compared: EvaluationMetrics  # the few metrics that are compared between experiments
    grouped: dict[str, pd.DataFrame]  # AUC and accuracy of each slide and of each stain


def assess(
    table: pd.DataFrame,
    chosen: Sequence[Member],
    logits: pd.DataFrame,
    scores: pd.DataFrame,
    decision: Decision,
    *,
    is_drawn: bool,
) -> Assessed:
    """Measure the `chosen` members' ensemble, and each member alone.

    `table` is the split; `logits` has a row for each of its patches and a column for each member
    (`combining.logits`). `scores` has the ensemble's (columns id, split, label, slide, patient,
    region, logit, probability, stain).
    """
    measured = {str(name): _part(part, decision) for name, part in scores.groupby("split")}
    facts: dict[str, Any] = {
        "threshold": decision.threshold,
        **_disjointness(table, chosen),
        "is_drawn": is_drawn,
    }
    compared = {name: _compared(part) for name, part in measured.items()}
    alone, spread = {}, {}
    if len(chosen) > 1:
        alone["members"] = _areas(table, chosen, logits)
        spread["members"] = _spread(alone["members"])
    return Assessed(
        Evaluation(**measured, **facts, temperature=decision.temperature, **alone),
        EvaluationMetrics(**compared, **facts, **spread),
        {column: _grouped(scores, column, decision.threshold) for column in GROUPED_BY},
    )


def _disjointness(table: pd.DataFrame, chosen: Sequence[Member]) -> dict[str, Any]:
    """Return whether slides and patients are apart for every member, and the coarsest unit."""
    found = [tables.disjointness(members.divide(table, member)) for member in chosen]
    patients = [each["patient_disjoint"] for each in found]
    return {
        "slide_disjoint": all(each["slide_disjoint"] for each in found),
        "patient_disjoint": None if None in patients else all(patients),
        "unit": found[0]["unit"],
    }


def _areas(
    table: pd.DataFrame, chosen: Sequence[Member], logits: pd.DataFrame
) -> list[MemberAreas]:
    """Return each member's own AUC on test and on the patches that validated it."""
    labels = table["label"].to_numpy()
    is_test = (table["split"] == "test").to_numpy()
    found = []
    for member in chosen:
        own = logits[member.key].to_numpy()
        is_scored = np.isfinite(own)
        parts = {"test": is_scored & is_test, "validation": is_scored & ~is_test}
        areas = {
            name: defined(measuring.area(labels[part], own[part])) for name, part in parts.items()
        }
        found.append(MemberAreas(seed=member.seed, fold=member.fold, **areas))
    return found


def _spread(areas: Sequence[MemberAreas]) -> MembersCompared:
    """Return mean and standard deviation of the members' AUCs."""
    found = {}
    for name in ("test", "validation"):
        values = [area for each in areas if (area := getattr(each, name)) is not None]
        if len(values) > 1:
            mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
            found[name] = Spread(roc_auc_mean=mean, roc_auc_std=deviation)
    return MembersCompared(number=len(areas), **found)


def _part(part: pd.DataFrame, decision: Decision) -> Part:
    """Return the metrics of a part with their intervals, and some metrics before calibration."""
    groups, unit = intervals.groups(part)
    as_given = expit(part["logit"].to_numpy(np.float64))
    raw = measuring.summarise(part["label"].to_numpy(), as_given, decision.threshold)
    return Part(
        num_patches=len(part),
        num_slides=_num_known(part["slide"]),
        num_patients=_num_known(part["patient"]),
        num_regions=_num_known(part["region"]),
        num_unknown=intervals.num_unknown(part),
        **{name: defined(number) for name, number in _measured(part, decision).items()},
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
    """Return the number of different names, or None if most are unknown."""
    return names.nunique() if intervals.is_mostly_known(names) else None


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
    return Interval.of_each(ends)


def _grouped(scores: pd.DataFrame, column: str, threshold: float) -> pd.DataFrame:
    """Return AUC and accuracy of each slide or stain of each part, the lowest AUC first."""
    rows = []
    for (split, name), group in scores.groupby(["split", column]):
        labels = group["label"].to_numpy()
        rows.append(
            {
                "split": split,
                column: name,
                "num_patches": len(group),
                "num_positive": int(labels.sum()),
                "roc_auc": measuring.area(labels, group["logit"].to_numpy()),
                "accuracy": metrics.accuracy_score(labels, group["probability"] >= threshold),
            }
        )
    columns = ["split", column, "num_patches", "num_positive", "roc_auc", "accuracy"]
    return pd.DataFrame(rows, columns=columns).sort_values(["split", "roc_auc", column])
