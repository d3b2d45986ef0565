"""Scores the unlabelled patches; writes a submission and predictions, in the sample's order."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import tables
from metastasis.base import files, records
from metastasis.base.errors import InputError, named
from metastasis.formats import sources
from metastasis.patches import shards
from metastasis.predict import shifting
from metastasis.predict.predict_params import PredictParams
from metastasis.results import provenance
from metastasis.results.decision import BOTH, Decision, to_probabilities
from metastasis.results.prediction import PredictionMetrics
from metastasis.scores import scoring

ROUND_THRESHOLD = 0.5  # network A's threshold: its notebook submitted labels


def predict(  # noqa: PLR0913  # a path for each thing that is read or written
    params: PredictParams,
    *,
    model_path: Path,
    decision_path: Path,
    split_path: Path,
    quarantine_path: Path,
    crops_folder: Path,
    tables_folder: Path,
    scores_path: Path,
    inventory_path: Path,
    patches_folder: Path,
    submission_path: Path,
    predictions_path: Path,
    unlabelled_path: Path,
    metrics_path: Path,
) -> None:
    """Write the probability of tumour (or 0 and 1 at 0.5) for each id of the sample submission.

    A patch that the gate found bad gets the share of positives among the training patches, the best
    guess without its pixels. Without a sample submission or unlabelled patches, the submission has
    only a header.

    The predictions are for readers: the probability, the call at the decision's threshold and, if a
    coverage is promised, the set. A bad patch has neither probability nor call, and its set holds
    both classes.

    The scored patches are compared with the labelled ones: their shift from validation, and copies.

    Raises:
        InputError: a patch is bad, and `params.bad_patches` says to fail.
    """
    patches = shards.read(crops_folder)
    bad_ids = _bad_ids(quarantine_path)
    has_patches = len(bad_ids) > 0 or bool((patches.index["pool"] == "unlabelled").any())
    ids = _asked_ids(tables_folder / sources.SUBMISSION_NAME, has_patches=has_patches)
    is_bad = ids.isin(bad_ids)
    _tell_bad(params, ids[is_bad], quarantine_path)
    split = tables.read_patches(split_path)
    share = float(split.loc[split["split"] == "train", "label"].mean())
    probabilities = np.full(len(ids), share)
    if not is_bad.all():
        places = patches.locate(ids[~is_bad], "unlabelled")
        logits = scoring.score(model_path, patches, places)
        probabilities[~is_bad] = to_probabilities(logits)
    labels = (probabilities >= ROUND_THRESHOLD).astype(np.int64) if params.round else probabilities
    # Write all digits: a value rounded to 1 has lost its rank.
    digits = [f"{label:.17g}" for label in labels]
    files.write_csv(submission_path, pd.DataFrame({"id": ids, "label": digits}))
    decision = records.read(decision_path, Decision)
    files.write_csv(predictions_path, predictions(ids, probabilities, is_bad.to_numpy(), decision))
    known = provenance.read(tables_folder / provenance.TABLE_NAME)
    scored = pd.DataFrame({"id": ids, "probability": probabilities})[~is_bad.to_numpy()]
    compared = shifting.compare(
        _labelled(split, scores_path, decision),
        scored,
        pd.read_parquet(inventory_path),
        shards.read(patches_folder),
        shards.read_regions(patches_folder),
    )
    records.write(unlabelled_path, compared)
    metrics = PredictionMetrics(
        num_predicted=len(ids),
        num_bad=int(is_bad.sum()),
        num_copies=compared.num_copies,
        largest_shift=compared.largest,
        **tables.disjointness(split),
        mean_probability=float(probabilities.mean()) if len(ids) else None,
        is_drawn=known.is_drawn,
    )
    records.write_metrics(metrics_path, metrics)
    print(f"predict: {len(ids):,} patches, written to {submission_path}, {predictions_path}")
    for sentence in filter(None, [compared.shift_sentence(), compared.copies_sentence()]):
        print(f"predict: {sentence}")
    if known.is_drawn:
        print("predict: the patches are drawn: don't submit this file to Kaggle")
    if not len(ids):
        print(f"predict: the source has no unlabelled patches, or no {sources.SUBMISSION_NAME}")


def predictions(
    ids: pd.Series,
    probabilities: NDArray[np.float64],
    is_bad: NDArray[np.bool_],
    decision: Decision,
) -> pd.DataFrame:
    """Return the probability and the call of each patch and, if a coverage is promised, its set."""
    table = pd.DataFrame({"id": ids, "probability": np.where(is_bad, np.nan, probabilities)})
    table["call"] = np.where(is_bad, "", decision.calls(probabilities))
    held = decision.held(probabilities)
    return table if held is None else table.assign(set=np.where(is_bad, BOTH, held))


def _labelled(split: pd.DataFrame, scores_path: Path, decision: Decision) -> pd.DataFrame:
    """Return all labelled patches with their part and, if scored, their probability."""
    scores = tables.read_patches(scores_path)
    scores["probability"] = decision.probabilities(scores["logit"].to_numpy())
    found = split.drop(columns="split").merge(
        scores[["id", "split", "probability"]], on="id", how="left", validate="one_to_one"
    )
    return found[["id", "split", "patient", "slide", "region", "probability"]]


def _asked_ids(sample_path: Path, *, has_patches: bool) -> pd.Series:
    if sample_path.exists() and has_patches:
        return tables.read_text(sample_path)["id"]
    return pd.Series([], dtype="str")


def _bad_ids(quarantine_path: Path) -> pd.Series:
    quarantine = tables.read_text(quarantine_path)
    return quarantine.loc[quarantine["pool"] == "unlabelled", "id"]


def _tell_bad(params: PredictParams, ids: pd.Series, quarantine_path: Path) -> None:
    if not len(ids):
        return
    found = f"{len(ids):,} of the unlabelled patches are bad ({named(ids)}); see {quarantine_path}"
    if params.bad_patches == "fail":
        raise InputError(
            f"{found}. Fix the source, or set predict.bad_patches: share to give each the share of "
            "positives among the training patches."
        )
    print(f"warning: {found}. Each gets the share of positives among the training patches.")
