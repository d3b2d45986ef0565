"""Combines the members' scores; decides on validation alone and measures validation and test.

`combining` averages the scores, `measuring` computes the metrics, `intervals` their intervals;
`evaluation_figures` draws the figures.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from metastasis import members, models, saving, stains, tables
from metastasis.base import files, records
from metastasis.evaluate import (
    abstaining,
    combining,
    deciding,
    describing,
    evaluation_plots,
    measuring,
    risk_plots,
)
from metastasis.evaluate.evaluate_params import EvaluateParams
from metastasis.members import Member, Trained
from metastasis.results import card, numbers, provenance
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

NUM_STAINS = 8  # clusters of stain, each measured separately
STAIN_SEED = 0
MEASURED = ("label", "probability", "logit")
MEASURED_BY = ("roc_auc", "accuracy")  # metrics of each slide and stain


def evaluate(  # noqa: PLR0913  # a path for each thing that is written
    params: EvaluateParams,
    chosen: Sequence[Member],
    um_per_pixel: float,
    *,
    networks_folder: Path,
    member_scores_folder: Path,
    split_path: Path,
    inventory_path: Path,
    source_path: Path,
    scores_path: Path,
    decision_path: Path,
    model_path: Path,
    card_path: Path,
    evaluation_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Write scores, decision, final model, its card, and metrics and plots of validation and test.

    Scores are the means of the `chosen` members' logits. With folds, validation is all patches that
    validated a member, each scored by the members that didn't train on it. The final model is the
    members' networks with the decision's temperature, flips and turns built in. The evaluation
    holds every metric with its interval; the metrics file holds the few metrics that are compared
    between experiments. If an official split has no test part, only validation is reported.

    Raises:
        InputError: a member's network or scores are another's, or validation has one class.
    """
    # `check` doesn't run if params.yaml is that of the last run, as after `git checkout`.
    members.remove_others([networks_folder, member_scores_folder], chosen, "evaluate")
    table = tables.read_patches(split_path)
    trained = [_trained(table, member, networks_folder) for member in chosen]
    networks = [keras.saving.load_model(networks_folder / f"{each.key}.keras") for each in chosen]
    found = {
        member: combining.read(member_scores_folder / f"{member.key}.csv") for member in chosen
    }
    logits = combining.logits(table, found)
    scores = combining.average(table, logits)
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
    saving.save(models.to_final(networks, decision.temperature, decision.tta), model_path)
    scores["probability"] = decision.probabilities(scores["logit"].to_numpy())
    scores["stain"] = _stains(inventory_path, scores["id"])
    # Sorted once, so that each of the many measurements needs no sorting.
    scores = scores.sort_values(["split", "logit", "id"], ignore_index=True)
    parts = {str(name): part for name, part in scores.groupby("split")}
    measured = {name: _numbers(part, decision) for name, part in parts.items()}
    known = provenance.read(source_path)
    facts: dict[str, Any] = {
        "threshold": decision.threshold,
        **_disjointness(table, chosen),
        "is_drawn": known.is_drawn,
    }
    areas = _areas(table, chosen, logits)
    beside = {"members": areas} if len(areas) > 1 else {}
    evaluation = Evaluation(**measured, **facts, temperature=decision.temperature, **beside)
    records.write(evaluation_path, evaluation)
    described = describing.describe(
        trained,
        table,
        evaluation,
        decision,
        known,
        inventory_path=inventory_path,
        model_path=model_path,
        decision_path=decision_path,
        input_size=networks[0].input_shape[1],
        um_per_pixel=um_per_pixel,
    )
    card.write(card_path, described)
    compared = {name: _compared(part) for name, part in measured.items()}
    spread = {"members": _spread(areas)} if len(areas) > 1 else {}
    records.write_metrics(metrics_path, EvaluationMetrics(**compared, **facts, **spread))
    by = {name: _by(scores, name, decision) for name in ("slide", "stain")}
    for name, rows in by.items():
        files.write_csv(plots_folder / f"{name}s.csv", rows)
    evaluation_plots.write(parts, evaluation, by["slide"], plots_folder, known.note)
    risk_plots.write(parts, decision, evaluation, plots_folder, known.note)
    _report(evaluation, by)
    _report_members(areas, evaluation, has_folds=len({member.fold for member in chosen}) > 1)
    for warning in filter(None, [*evaluation.warnings(), decision.warning(), *few, known.warning]):
        print(f"warning: {warning}")


def _trained(table: pd.DataFrame, member: Member, folder: Path) -> Trained:
    """Return the record of the member's network, which trained on the member's patches."""
    path = folder / f"{member.key}.keras"
    return members.require_own(table, member, path, path.with_suffix(".json"))


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
    inventory = pd.read_parquet(inventory_path, columns=["id", "pool", *stains.COLOURS])
    labelled = inventory[inventory["pool"] == "labelled"].drop_duplicates("id").set_index("id")
    colours = labelled.loc[ids, stains.COLOURS].to_numpy(np.float64)
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
    return Interval.of_each(ends)


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


def _report_members(
    areas: Sequence[MemberAreas], evaluation: Evaluation, *, has_folds: bool
) -> None:
    """Print the AUC of each member alone, if there are several, and who scored validation."""
    if len(areas) < 2:  # noqa: PLR2004  # several
        return
    name, part = evaluation.reported
    alone = [numbers.rate(getattr(each, name), part.num_patches) for each in areas]
    print(f"evaluate: {name} AUC of each of the {len(areas)} members alone: {', '.join(alone)}")
    if has_folds:
        print("evaluate: validation is out-of-fold: no member scored a patch that it trained on")
