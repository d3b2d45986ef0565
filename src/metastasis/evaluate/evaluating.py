"""Combines the members' scores; decides on validation alone and measures validation and test.

`combining` averages the scores, `deciding` decides and `assessing` measures; `evaluation_plots` and
`risk_plots` write the figures.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from metastasis import members, models, saving, stains, tables
from metastasis.base import files, records
from metastasis.evaluate import (
    abstaining,
    assessing,
    combining,
    deciding,
    describing,
    evaluation_plots,
    risk_plots,
)
from metastasis.evaluate.evaluate_params import EvaluateParams
from metastasis.members import Member, Trained
from metastasis.results import card, numbers, provenance
from metastasis.results.decision import Decision
from metastasis.results.evaluation import Evaluation
from metastasis.scores import intervals

NUM_STAINS = 8  # clusters of stain, each measured separately
STAIN_SEED = 0


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

    decision, doubts = _decide(params, scores[scores["split"] == "validation"])
    records.write(decision_path, decision)
    saving.save(models.to_final(networks, decision.temperature, decision.tta), model_path)
    scores["probability"] = decision.probabilities(scores["logit"].to_numpy())
    scores["stain"] = _stains(inventory_path, scores["id"])
    # Sorted once, so that each of the many measurements needs no sorting.
    scores = scores.sort_values(["split", "logit", "id"], ignore_index=True)

    known = provenance.read(source_path)
    evaluation, compared, grouped = assessing.assess(
        table, chosen, logits, scores, decision, is_drawn=known.is_drawn
    )
    records.write(evaluation_path, evaluation)
    records.write_metrics(metrics_path, compared)
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
    for name, rows in grouped.items():
        files.write_csv(plots_folder / f"{name}s.csv", rows)
    parts = {str(name): part for name, part in scores.groupby("split")}
    evaluation_plots.write(parts, evaluation, grouped["slide"], plots_folder, known.note)
    risk_plots.write(parts, decision, evaluation, plots_folder, known.note)
    _report(evaluation, grouped)
    _report_members(evaluation, has_folds=len({member.fold for member in chosen}) > 1)
    for warning in filter(None, [*evaluation.warnings(), *doubts, known.warning]):
        print(f"warning: {warning}")


def _trained(table: pd.DataFrame, member: Member, folder: Path) -> Trained:
    """Return the record of the member's network, which trained on the member's patches."""
    path = folder / f"{member.key}.keras"
    return members.require_own(table, member, path, path.with_suffix(".json"))


def _decide(params: EvaluateParams, validation: pd.DataFrame) -> tuple[Decision, list[str]]:
    """Return the decision, with the sets of classes if asked for, and warnings about it."""
    labels = validation["label"].to_numpy()
    logits = validation["logit"].to_numpy()
    decision = deciding.decide(labels, logits, sensitivity=params.sensitivity, tta=params.tta)
    doubts = list(filter(None, [decision.warning()]))
    if params.coverage is None:
        return decision, doubts
    units, unit = intervals.units(validation)
    is_known = intervals.has_unit(validation)  # patches of unknown slides are no slide
    labels, units = labels[is_known], units[is_known]
    probabilities = decision.probabilities(logits[is_known])
    sets = abstaining.choose(labels, probabilities, units, params.coverage)
    doubts += abstaining.warnings(sets, labels, units, unit)
    return decision.model_copy(update={"sets": sets}), doubts


def _stains(inventory_path: Path, ids: pd.Series) -> pd.Series:
    """Return the name of the stain cluster of each patch."""
    inventory = pd.read_parquet(inventory_path, columns=["id", "pool", *stains.COLOURS])
    labelled = inventory[inventory["pool"] == "labelled"].drop_duplicates("id").set_index("id")
    colours = labelled.loc[ids, stains.COLOURS].to_numpy(np.float64)
    return pd.Series([f"stain {n}" for n in stains.clusters(colours, NUM_STAINS, STAIN_SEED)])


def _report(evaluation: Evaluation, grouped: dict[str, pd.DataFrame]) -> None:
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
    for column, rows in grouped.items():
        worst = intervals.lowest(rows, column, reported)[:1]
        for name, area, num in worst[[column, "roc_auc", "num_patches"]].to_numpy().tolist():
            print(
                f"evaluate: lowest AUC of a {column} in {reported}: {numbers.rate(area, num)}, "
                f"{name}, {num:,} patches"
            )


def _report_members(evaluation: Evaluation, *, has_folds: bool) -> None:
    """Print the AUC of each member alone, if there are several, and who scored validation."""
    if not evaluation.members:
        return
    name, part = evaluation.reported
    alone = [numbers.rate(getattr(each, name), part.num_patches) for each in evaluation.members]
    print(f"evaluate: {name} AUC of each of the {len(alone)} members alone: {', '.join(alone)}")
    if has_folds:
        print("evaluate: validation is out-of-fold: no member scored a patch that it trained on")
