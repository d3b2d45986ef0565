"""Plant wrong labels in scored patches, and count how many of them are listed as suspicious.

It reads the scores that evaluate writes (by default `data/scores.csv`). The network was trained
before: wrong labels are planted only in patches that it hasn't learnt. A share of these patches, or
whole slides until this share is reached, gets the other label. The temperature and the threshold
are then chosen again on validation, as `evaluate` would. Lists are compared by their first rows, as
many as were planted: of these, the share that is planted is the precision and the recall. The list
by likelihood is that of the earlier versions: the calls that contradict the label, at most 100.

Usage: python benchmarks/label_audit.py [SCORES] [--shares SHARE ...] [--repeats N]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import tables
from metastasis.evaluate import deciding
from metastasis.explain import auditing

WAYS = ("single patches", "whole slides")
EARLIER = 100  # rows of the earlier list

Flags = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path, nargs="?", default=Path("data/scores.csv"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    scores = tables.read_patches(arguments.scores)
    rows = [
        {"planted": way, "share": share} | audit(scores, way, share, seed)
        for way in WAYS
        for share in arguments.shares
        for seed in range(arguments.repeats)
    ]
    means = pd.DataFrame(rows).groupby(["planted", "share"], sort=False).mean()
    print(f"{len(scores):,} patches, {arguments.repeats} repeats\n")
    print(means.round(2).T.to_string())


def audit(scores: pd.DataFrame, way: str, share: float, seed: int) -> dict[str, float]:
    """Return the numbers of one planting."""
    random = np.random.default_rng([seed, WAYS.index(way)])
    is_planted = plant(scores, way, share, random)
    changed = scored(scores.assign(label=scores["label"].where(~is_planted, 1 - scores["label"])))
    listed = auditing.suspicious(changed)
    earlier = by_likelihood(changed)
    num = int(is_planted.sum())
    found: dict[str, float] = {"number planted": num}
    for name, table in (("the list", listed), ("by likelihood", earlier)):
        hits = is_planted[table.index]
        found |= {
            f"{name}: of the first planted": float(hits[:num].sum() / num),
            f"{name}: rows": len(table),
            f"{name}: recall of all rows": float(hits.sum() / num),
            f"{name}: precision of all rows": float(hits.mean()),
        }
    return found | {"at random": num / len(scores)}


def plant(scores: pd.DataFrame, way: str, share: float, random: np.random.Generator) -> Flags:
    """Return the patches (n,) whose labels are exchanged; the last slide may exceed the share."""
    num = round(share * len(scores))
    if way == "single patches":
        return np.isin(np.arange(len(scores)), random.choice(len(scores), num, replace=False))
    slides = random.permutation(scores["slide"].unique())
    sizes = scores["slide"].value_counts()[slides].cumsum().to_numpy()
    return scores["slide"].isin(slides[: np.searchsorted(sizes, num) + 1]).to_numpy()


def scored(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with probability and is_called, decided on validation."""
    validation = scores[scores["split"] == "validation"]
    labels, logits = (validation[name].to_numpy() for name in ("label", "logit"))
    decision = deciding.decide(labels, logits, sensitivity=None, tta="none")
    probabilities = decision.probabilities(scores["logit"].to_numpy())
    return scores.assign(probability=probabilities, is_called=probabilities >= decision.threshold)


def by_likelihood(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the earlier list: contradicted calls, the least likely labels first."""
    is_tumour = scores["label"] == 1
    likelihood = scores["probability"].where(is_tumour, 1 - scores["probability"])
    contradicted = scores.assign(likelihood=likelihood)[scores["is_called"] != is_tumour]
    return contradicted.sort_values(["likelihood", "id"])[:EARLIER]


if __name__ == "__main__":
    main()
