"""Scores with one member of the ensemble the patches that it didn't train on.

`members` says which these are; `scores.scoring` runs the network.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import members, tables
from metastasis.base import files
from metastasis.base.errors import InputError, named
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.patches.symmetries import TestTime
from metastasis.scores import scoring


def score(
    member: Member,
    tta: TestTime,
    *,
    network_path: Path,
    record_path: Path,
    split_path: Path,
    crops_folder: Path,
    scores_path: Path,
) -> None:
    """Write the logit of each test patch and of each patch that validates `member`: id, logit.

    Raises:
        InputError: the network is another member's, or its output for a patch is not a number.
    """
    split = tables.read_patches(split_path)
    members.require_own(split, member, network_path, record_path)
    ids = members.unseen(split, member)["id"]
    patches = shards.read(crops_folder)
    logits = scoring.score(network_path, patches, patches.locate(ids, "labelled"), tta)
    _check(logits, ids)
    files.write_csv(scores_path, pd.DataFrame({"id": ids, "logit": logits}))
    print(f"score: {len(ids):,} patches that member {member.key} didn't train on")


def _check(logits: NDArray[np.float32], ids: pd.Series) -> None:
    is_number = np.isfinite(logits)
    if not is_number.all():
        raise InputError(
            f"score: the network's output is not a number for {(~is_number).sum():,} patches "
            f"({named(ids[~is_number])}); its weights are broken. Train it again."
        )
