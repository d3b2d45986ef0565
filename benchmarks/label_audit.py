"""Plant wrong labels, and count how many of them are listed as suspicious.

Without --train, they are planted in scored patches: it reads the scores that evaluate writes (by
default `data/scores.csv`), so that the network hasn't learnt them. A share of these patches, or
whole slides until this share is reached, gets the other label. The temperature and the threshold
are then chosen again on validation, as `evaluate` would.

With --train, they are planted in the demo's label table before anything is trained, as in a source
that has wrong labels. In a clone in FOLDER, the pipeline trains a member for each of five folds on
them, and each patch outside test is scored by the member that didn't train on it. A case that is
there already is only counted. A case takes some 15 CPU minutes.

Lists are compared by their first rows, as many as were planted: of these, the share that is planted
is the precision and the recall. The list by likelihood is that of the earlier versions: the calls
that contradict the label, at most 100.

Usage: python benchmarks/label_audit.py [SCORES] [--shares SHARE ...] [--repeats N]
       python benchmarks/label_audit.py --train FOLDER [--shares SHARE ...]
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metastasis import tables
from metastasis.evaluate import deciding
from metastasis.explain import auditing

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("single patches", "whole slides")
EARLIER = 100  # rows of the earlier list
FOLDS = 5

Flags = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scores", type=Path, nargs="?", default=Path("data/scores.csv"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--repeats", type=int, default=50, help="of each way and share")
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="plant before the training")
    arguments = parser.parse_args()
    cases = [(way, share) for way in WAYS for share in arguments.shares]
    if arguments.train:
        rows = [
            {"planted": way, "share": share}
            | count(*trained(arguments.train.resolve(), way, share))
            for way, share in cases
        ]
    else:
        scores = tables.read_patches(arguments.scores)
        rows = [
            {"planted": way, "share": share} | audit(scores, way, share, seed)
            for way, share in cases
            for seed in range(arguments.repeats)
        ]
    means = pd.DataFrame(rows).groupby(["planted", "share"], sort=False).mean()
    print(means.round(2).T.to_string())


def audit(scores: pd.DataFrame, way: str, share: float, seed: int) -> dict[str, float]:
    """Return the numbers of one planting in patches that are scored."""
    random = np.random.default_rng([seed, WAYS.index(way)])
    is_planted = plant(scores, way, share, random)
    return count(exchanged(scores, is_planted), is_planted)


def trained(folder: Path, way: str, share: float) -> tuple[pd.DataFrame, Flags]:
    """Return the scores of members that trained on planted labels, and which labels are planted."""
    kept = folder / f"{way.replace(' ', '-')}-{share}"
    if not (kept / "scores.csv").exists():
        clone, source = folder / "clone", kept / "source"
        if not clone.exists():
            folder.mkdir(parents=True, exist_ok=True)
            run(folder, "git", "clone", "--quiet", str(ROOT), clone.name)
        run(clone, "dvc", "repro", "data/dvc.yaml:demo")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(clone / "data/demo", source)
        labels = pd.read_csv(source / "train_labels.csv")
        slides = labels.merge(pd.read_csv(source / "slides.csv"), how="left", on="id")
        is_planted = plant(slides, way, share, np.random.default_rng([0, WAYS.index(way)]))
        exchanged(labels, is_planted).to_csv(source / "train_labels.csv", index=False)
        labels[is_planted].to_csv(kept / "planted.csv", index=False)
        settings = (
            f"data.source={source}",
            f"split.folds={FOLDS}",
            f"train.folds={list(range(FOLDS))}",
        )
        changes = [part for setting in settings for part in ("--set-param", setting)]
        run(clone, "dvc", "exp", "run", *changes, "evaluate")
        shutil.copyfile(clone / "data/scores.csv", kept / "scores.csv")
    scores = tables.read_patches(kept / "scores.csv")
    planted = pd.read_csv(kept / "planted.csv")["id"]
    return scores, scores["id"].isin(planted).to_numpy()


def run(folder: Path, *command: str) -> None:
    """Run a command with this environment's commands first."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603  # of this file


def count(scores: pd.DataFrame, is_planted: Flags) -> dict[str, float]:
    """Return how many planted labels are listed, from scores whose labels contain them."""
    judged = scored(scores)
    num = int(is_planted.sum())
    found: dict[str, float] = {"patches": len(scores), "number planted": num}
    lists = {"the list": auditing.suspicious(judged), "by likelihood": by_likelihood(judged)}
    for name, table in lists.items():
        hits = is_planted[table.index]
        found |= {
            f"{name}: of the first planted": float(hits[:num].sum() / num),
            f"{name}: rows": len(table),
            f"{name}: recall of all rows": float(hits.sum() / num),
            f"{name}: precision of all rows": float(hits.mean()),
        }
    return found | {"at random": num / len(scores)}


def exchanged(labelled: pd.DataFrame, is_planted: Flags) -> pd.DataFrame:
    """Return the table with the other label where one is planted."""
    return labelled.assign(label=labelled["label"].where(~is_planted, 1 - labelled["label"]))


def plant(scores: pd.DataFrame, way: str, share: float, random: np.random.Generator) -> Flags:
    """Return the patches (n,) whose labels are exchanged; the last slide may exceed the share."""
    num = round(share * len(scores))
    if way == "single patches":
        return np.isin(np.arange(len(scores)), random.choice(len(scores), num, replace=False))
    slides = random.permutation(scores["slide"].unique())
    sizes = scores["slide"].value_counts()[slides].cumsum().to_numpy()
    return scores["slide"].isin(slides[: np.searchsorted(sizes, num) + 1]).to_numpy()


def scored(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with their probability, and the calls of the earlier list."""
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
