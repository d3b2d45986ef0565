"""Combines the members' scores: a patch's logit is the mean over the members that didn't see it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from metastasis import members
from metastasis.base.errors import InputError, named
from metastasis.members import Member


def read(path: Path) -> pd.DataFrame:
    """Return a member's scores: id, and logit in float32 as they were computed."""
    types = {"id": "str", "logit": "float32"}
    return pd.read_csv(path, dtype=types, keep_default_na=False)


def logits(split: pd.DataFrame, scores: Mapping[Member, pd.DataFrame]) -> pd.DataFrame:
    """Return each member's logits in float64, (patches, members); NaN for those it may not score.

    Raises:
        InputError: a member's scores are of other patches than those it may score, or they are
            another member's.
    """
    columns: dict[str, pd.Series] = {}
    for member, found in scores.items():
        _check(member, found["id"], members.unseen(split, member)["id"])
        own = found.set_index("id")["logit"].astype(np.float64)
        for key, others in columns.items():
            _check_differ(key, others, member.key, own)
        columns[member.key] = own
    return pd.DataFrame(columns, index=split["id"])


def average(split: pd.DataFrame, each: pd.DataFrame) -> pd.DataFrame:
    """Return the scored rows of the split with their mean `logit` in float32.

    `each` are the members' logits. The column `split` is "test" or, for every patch that validated
    a member, "validation". With folds the members of its own fold alone score such a patch, which
    are those that didn't train on it: out-of-fold.
    """
    scored = split.assign(
        split=split["split"].where(split["split"] == "test", "validation"),
        logit=each.mean(axis=1).astype(np.float32).to_numpy(),
    )
    return scored[scored["logit"].notna()].reset_index(drop=True)


def _check_differ(key: str, logits: pd.Series, other_key: str, others: pd.Series) -> None:
    """Raise if two members of the same patches have the same logits: one file is a copy."""
    is_constant = (logits == logits.iloc[0]).all()  # of a network that says nothing
    if others.equals(logits) and not is_constant:
        raise InputError(
            f"members {key} and {other_key} have the same scores, so one of their files is a copy "
            "of the other, and the mean would count one network twice. Run "
            f"`dvc repro --force --single-item score@{key}`, and the same for score@{other_key}."
        )


def _check(member: Member, found: pd.Series, expected: pd.Series) -> None:
    """Raise unless the member scored each patch that it may score once, and no other."""
    ids, asked = set(found), set(expected)
    if ids == asked and len(found) == len(asked):
        return
    said = []
    if seen := sorted(ids - asked):
        said.append(f"{len(seen):,} that it trained on or that aren't in the split ({named(seen)})")
    if missing := sorted(asked - ids):
        said.append(f"{len(missing):,} missing ({named(missing)})")
    if num_repeated := len(found) - len(ids):
        said.append(f"{num_repeated:,} twice")
    raise InputError(
        f"the scores of member {member.key} are not of the {len(asked):,} patches that it may "
        f"score: {'; '.join(said)}. Another member's file may lie in their place: run "
        f"`dvc repro score@{member.key}`."
    )
