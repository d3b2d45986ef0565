"""Simulate how often a 95 % interval covers the truth, and how often `compare` is wrong.

With --unknown, the slides of these shares of the patches are unknown.

With --regions, slides are unknown and have no effect, but patches that overlap are as easy as each
other; intervals over regions are compared with those over patches.

Run it as `PYTHONPATH=tests python benchmarks/coverage.py`.
"""

import argparse
import math
import multiprocessing
import time
from functools import partial

import numpy as np
import pandas as pd
from sklearn import metrics

from helpers import simulating
from metastasis.base.errors import InputError
from metastasis.compare import comparing
from metastasis.scores import intervals

NUM_DRAWS = 200  # of the bootstrap
LOSS = 0.3  # planted: the classes' scores are closer by this much
NAIVE = "roc_auc, bootstrap over patches"
SIDES = {"equal": simulating.APART, "worse": simulating.APART - LOSS}  # the head's models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slides", type=int, nargs="*", default=[6, 12, 20, 40, 100])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--regions", type=int, nargs="+", help="numbers of regions")
    parser.add_argument("--unknown", type=float, nargs="+", help="shares of the patches")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.regions:
        cover_regions(arguments.regions, arguments.repeats)
        return
    truth = simulating.truth()
    if arguments.unknown:
        cover_unknown(arguments.unknown, arguments.slides, arguments.repeats, truth["roc_auc"])
        return
    covered, undefined, judged = {}, {}, {}
    with multiprocessing.Pool(arguments.processes) as pool:
        for num_slides in arguments.slides:
            start, repeats = time.perf_counter(), range(arguments.repeats)
            held = pd.DataFrame(pool.map(partial(holds, truth, num_slides), repeats))
            covered[num_slides], undefined[num_slides] = held.mean(), held.isna().mean()
            verdicts = pd.DataFrame(pool.map(partial(judge, num_slides), repeats))
            judged[num_slides] = pd.concat(
                [
                    verdicts[name].value_counts(normalize=True).add_prefix(f"{name}: ")
                    for name in SIDES
                ]
            )
            print(f"{num_slides} slides: {time.perf_counter() - start:.0f} s", flush=True)
    print(f"\nTrue: {', '.join(f'{name} {value:.3f}' for name, value in truth.items())}")
    for title, shares in (
        ("Share of the defined intervals that cover the truth", covered),
        ("Test sets without an interval", undefined),
        ("Comparisons", judged),
    ):
        print(f"\n{title}, by number of slides, {arguments.repeats:,} repeats\n")
        print(markdown(pd.DataFrame(shares).fillna(0)))


def cover_regions(numbers: list[int], repeats: int) -> None:
    """Print how often the AUC's interval covers the truth, over regions and over patches."""
    labels, probabilities, _ = simulating.regions(np.random.default_rng(9), 1_000_000)
    area = metrics.roc_auc_score(labels, probabilities)
    print(f"True AUC: {area:.3f}\n")
    shares = {}
    for num_regions in numbers:
        held = []
        for repeat in range(repeats):
            random = np.random.default_rng([3, num_regions, repeat])
            labels, probabilities, of = simulating.regions(random, num_regions)
            patches = pd.DataFrame({"region": of.astype(str)})
            row = {}
            for name, known in (("regions", patches), ("patches", patches[[]])):
                groups, _ = intervals.groups(known)
                low, high = simulating.intervals_of(labels, probabilities, groups)["roc_auc"]
                row[name] = float(low <= area <= high)
            held.append(row)
        shares[num_regions] = pd.DataFrame(held).mean()
    print(markdown(pd.DataFrame(shares)))


def cover_unknown(shares: list[float], numbers: list[int], repeats: int, area: float) -> None:
    """Print how often the AUC's interval covers the truth if some patches' slides are unknown."""
    covered = {num_slides: dict.fromkeys(map(str, shares), 0.0) for num_slides in numbers}
    for num_slides in numbers:
        for repeat in range(repeats):
            random = np.random.default_rng([3, num_slides, repeat])
            labels, probabilities, of = simulating.scored(random, num_slides)
            order = random.permutation(len(of))
            for share in shares:
                slides = pd.Series(of.astype(str)).where(order >= share * len(of))
                groups, _ = intervals.groups(pd.DataFrame({"slide": slides}))
                low, high = simulating.intervals_of(labels, probabilities, groups)["roc_auc"]
                covered[num_slides][str(share)] += (low <= area <= high) / repeats
    print(markdown(pd.DataFrame(covered)))


def holds(truth: dict[str, float], num_slides: int, repeat: int) -> dict[str, float]:
    """Return whether each interval of a test set covers the truth, 0 or 1; NaN without interval."""
    random = np.random.default_rng([1, num_slides, repeat])
    labels, probabilities, of = simulating.scored(random, num_slides)
    found = simulating.intervals_of(labels, probabilities, of) | {NAIVE: bootstrap(random, labels)}
    return {
        name: math.nan
        if math.isnan(low)
        else float(low <= truth.get(name, truth["roc_auc"]) <= high)
        for name, (low, high) in found.items()
    }


def bootstrap(random: np.random.Generator, labels: simulating.Ints) -> tuple[float, float]:
    """Return percentiles of the AUC of patches (n,), by score, bootstrapped as if independent."""
    num = len(labels)
    drawn = random.multinomial(num, np.full(num, 1 / num), NUM_DRAWS)
    positive, negative = drawn * labels, drawn * (1 - labels)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    if not pairs.all():
        return math.nan, math.nan
    areas = (positive * negative.cumsum(axis=1)).sum(axis=1) / pairs
    low, high = np.percentile(areas, [2.5, 97.5])
    return float(low), float(high)


def judge(num_slides: int, repeat: int) -> dict[str, str]:
    """Return the verdicts on a model as good as the base's, and on a worse model."""
    verdicts: dict[str, str] = {}
    for name, apart in SIDES.items():
        random = np.random.default_rng([2, num_slides, repeat])
        base, head = simulating.models(random, num_slides, simulating.APART, apart)
        try:
            verdicts[name] = comparing.compare([base], [head]).verdict
        except InputError:  # one class
            verdicts[name] = "not comparable"
    return verdicts


def markdown(shares: pd.DataFrame) -> str:
    """Return a Markdown table whose columns are numbers of slides."""
    rows = [["", *map(str, shares)], ["---"] * (len(shares.columns) + 1)]
    rows += [
        [str(name), *(f"{share:.3f}" for share in row)]
        for name, row in zip(shares.index, shares.to_numpy(), strict=True)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
