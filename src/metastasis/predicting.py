"""Scores the test patches and writes the submission in the ids and order it is asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from metastasis import files, scoring, shards, sources, tables
from metastasis.params import Section

ROUND_THRESHOLD = 0.5  # network A's, whose notebook submitted labels


class PredictParams(Section):
    """What the submission's label column holds."""

    round: bool


def predict(
    params: PredictParams,
    *,
    model_path: Path,
    crops_folder: Path,
    tables_folder: Path,
    submission_path: Path,
    metrics_path: Path,
) -> None:
    """Write the probability of tumour (or 0 and 1 at 0.5) for each id of the sample submission.

    A source without a sample submission, or without test patches, gets a header and no row.
    """
    patches = shards.read(crops_folder)
    ids = _asked_ids(tables_folder / sources.SUBMISSION_NAME, patches)
    labels = np.empty(0)
    if len(ids):
        logits = scoring.score(model_path, patches, patches.locate(ids, "test"))
        labels = expit(logits.astype(np.float64))
    numbers = {
        "num_patches": len(ids),
        "mean_probability": float(labels.mean()) if len(ids) else None,
        "positive_share": float((labels >= ROUND_THRESHOLD).mean()) if len(ids) else None,
    }
    if params.round:
        labels = (labels >= ROUND_THRESHOLD).astype(np.int64)
    files.write_csv(submission_path, pd.DataFrame({"id": ids, "label": labels}))
    files.write_json(metrics_path, numbers)
    print(f"predict: {len(ids):,} patches, written to {submission_path}")
    if not len(ids):
        print(f"predict: the source has no test patches, or no {sources.SUBMISSION_NAME}")


def _asked_ids(sample_path: Path, patches: shards.Patches) -> pd.Series:
    if sample_path.exists() and (patches.index["pool"] == "test").any():
        return tables.read_text(sample_path)["id"]
    return pd.Series([], dtype="str")
