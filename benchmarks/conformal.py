"""Simulate how often the sets of classes cover patches of new slides, by slide and by patch.

Each repeat calibrates on some slides; the coverage of a patch with tumour of a new slide, and the
share of all patches that are left to a pathologist, are then known (the share from 200 new slides).
Sets by patch are those of split conformal prediction, which treats all patches as exchangeable.

Run it as `PYTHONPATH=tests python benchmarks/conformal.py`.
"""

import argparse
import multiprocessing
from functools import partial

import numpy as np
import pandas as pd
from scipy import special, stats

from helpers import simulating
from metastasis.evaluate import abstaining
from metastasis.results.decision import BOTH, Decision

EFFECTS = (0.3, 0.6, 1.0, 2.0)  # standard deviations of a slide's shift, in those of its patches
PROMISED = (0.9, 0.95)
WAYS = ("slide", "patch")
NUM_NEW = 200  # slides
WORST = 0.1  # quantile over calibrations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slides", type=int, nargs="*", default=[10, 20, 50, 100])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    rows = []
    with multiprocessing.Pool(arguments.processes) as pool:
        for effect in EFFECTS:
            for num_slides in arguments.slides:
                found = pool.map(partial(calibrate, effect, num_slides), range(arguments.repeats))
                table = pd.DataFrame([row for several in found for row in several])
                rows.append(table.assign(effect=effect, slides=num_slides))
    table = pd.concat(rows)
    for title, name, over in (
        ("Mean coverage of a patch with tumour of a new slide", "coverage", mean),
        (f"Coverage in the worst {WORST:.0%} of the calibrations", "coverage", worst),
        ("Share of the patches left to a pathologist", "left", mean),
        ("Calibration slides with tumour", "with_tumour", mean),
    ):
        print(f"\n{title}, by number of slides, {arguments.repeats:,} repeats\n")
        keys = ["promised", "effect", "way"]
        print(markdown(table.pivot_table(name, keys, "slides", aggfunc=over)))


def mean(values: pd.Series) -> float:
    """Return the mean over calibrations."""
    return float(values.mean())


def worst(coverages: pd.Series) -> float:
    """Return the coverage that all but the worst calibrations reach."""
    return float(coverages.quantile(WORST))


def calibrate(effect: float, num_slides: int, repeat: int) -> list[dict[str, float | str]]:
    """Return the coverage and the share left, for each promise and both ways."""
    random = np.random.default_rng([6, num_slides, repeat])
    labels, probabilities, slides = simulating.shifted(random, num_slides, effect)
    _, asked, _ = simulating.shifted(random, NUM_NEW, effect)
    if len(np.unique(labels)) < len(abstaining.CLASSES):  # `evaluate` refuses it
        return []
    rows: list[dict[str, float | str]] = []
    for promised in PROMISED:
        for way in WAYS:
            groups = slides if way == "slide" else np.arange(len(labels))
            sets = abstaining.choose(labels, probabilities, groups, promised)
            decision = Decision(tta="none", temperature=1, threshold=0.5, sets=sets)
            held = decision.held(asked)
            # Called tumour, or at the threshold: a score is normal around its class's mean.
            lowest = special.logit(min(sets.tumour_from, decision.threshold))
            coverage = stats.norm.sf(lowest, simulating.APART / 2, np.hypot(1, effect))
            rows.append(
                {
                    "promised": promised,
                    "way": way,
                    "coverage": float(coverage),
                    "left": float(np.mean(held == BOTH)),
                    "with_tumour": len(np.unique(slides[labels == 1])),
                }
            )
    return rows


def markdown(values: pd.DataFrame) -> str:
    """Return a Markdown table with a row for each promise, effect and way."""
    rows = [["promised", "effect", "sets by", *map(str, values)]]
    rows.append(["---"] * len(rows[0]))
    for (promised, effect, way), shares in zip(values.index, values.to_numpy(), strict=True):
        rows.append([f"{promised}", f"{effect}", way, *(f"{share:.3f}" for share in shares)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
