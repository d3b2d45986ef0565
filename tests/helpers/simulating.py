"""Simulates test sets whose slides differ, with a known truth, for tests and a benchmark.

60 % of the slides hold tumour; sizes are lognormal; each slide shifts the scores of both classes.
Likewise regions of patches that overlap, of which most are single patches.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from metastasis.evaluate import measuring
from metastasis.scores import intervals

THRESHOLD = 0.5
APART = 2.6  # the distance of the classes' scores, for an AUC of about 0.94

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Random = np.random.Generator


def slides(random: Random, num_slides: int) -> tuple[Ints, Ints]:
    """Return labels and slides (n,), with about 95 patches per slide."""
    sizes = np.maximum(random.lognormal(np.log(80), 0.6, num_slides).astype(int), 5)
    numbers = np.repeat(np.arange(num_slides), sizes)
    has_tumour = random.random(num_slides) < 0.6
    share = np.where(has_tumour, random.beta(2, 1.2, num_slides), 0.0)
    return (random.random(len(numbers)) < share[numbers]).astype(np.int64), numbers


def scored(random: Random, num_slides: int) -> tuple[Ints, Floats, Ints]:
    """Return labels, probabilities and slides (n,) of a test set, in order of probability."""
    labels, of = slides(random, num_slides)
    shift = random.normal(0, 0.6, num_slides)
    apart = random.normal(APART, 0.5, num_slides)
    scores = shift[of] + apart[of] * labels + random.normal(0, 1, len(of))
    probabilities = special.expit(1.8 * (scores - 1.5))
    order = np.argsort(probabilities)
    return labels[order], probabilities[order], of[order]


def shifted(random: Random, num_slides: int, effect: float) -> tuple[Ints, Floats, Ints]:
    """Return labels, probabilities and slides (n,), where a slide shifts all of its scores alike.

    The standard deviation of the shift is `effect`, that of the patches of a slide is 1.
    """
    labels, of = slides(random, num_slides)
    scores = effect * random.normal(0, 1, num_slides)[of] + APART * labels
    return labels, special.expit(scores + random.normal(0, 1, len(of)) - APART / 2), of


def of_new_slide(random: Random, effect: float) -> float:
    """Return the probability of a patch with tumour of a new slide of `shifted`."""
    score = effect * random.normal() + APART + random.normal()
    return float(special.expit(score - APART / 2))


def regions(random: Random, num_regions: int) -> tuple[Ints, Floats, Ints]:
    """Return labels, probabilities and regions (n,): a tenth of the regions have several patches.

    As in PatchCamelyon, these have 5 patches on average, some of them hundreds, all of one
    label. All patches of a region are about as easy.
    """
    is_large = random.random(num_regions) < 0.1
    sizes = np.where(is_large, 2 + random.lognormal(0.5, 1.2, num_regions).astype(int), 1)
    of = np.repeat(np.arange(num_regions), sizes)
    positive = random.random(num_regions) < np.where(is_large, 0.9, 0.4)
    labels = positive[of].astype(np.int64)
    scores = 0.7 * random.normal(0, 1, num_regions)[of] + 0.7 * random.normal(0, 1, len(of))
    return labels, special.expit(scores + 2 * labels - 1), of


def truth() -> dict[str, float]:
    """Return the metrics on 40,000 slides."""
    parts = [scored(np.random.default_rng([9, part]), 4000) for part in range(10)]
    labels, probabilities = (
        np.concatenate(arrays) for arrays in list(zip(*parts, strict=True))[:2]
    )
    return measuring.summarise(labels, probabilities, THRESHOLD)


def intervals_of(
    labels: Ints, probabilities: Floats, of: intervals.Groups
) -> dict[str, tuple[float, float]]:
    """Return the interval of each metric over the groups `of`, such as slides."""
    return measuring.interval_ends(labels, probabilities, THRESHOLD, of)


def models(random: Random, num_slides: int, *apart: float) -> list[pd.DataFrame]:
    """Return the scores of a model for each of `apart`, on the same slides.

    Models share most of a patch's difficulty, and each has its own effect of each slide.
    """
    labels, of = slides(random, num_slides)
    shift, stretch = random.normal(0, 0.6, num_slides), random.normal(0, 0.5, num_slides)
    noise = random.normal(0, 1, len(of))
    tables = []
    for distance in apart:
        own_shift = shift + random.normal(0, 0.25, num_slides)
        own_stretch = distance + stretch + random.normal(0, 0.2, num_slides)
        own_noise = noise + random.normal(0, 0.45, len(of))
        table = pd.DataFrame({"id": np.arange(len(of)).astype(str), "split": "test"})
        table["label"], table["slide"] = labels, of.astype(str)
        table["logit"] = own_shift[of] + own_stretch[of] * labels + own_noise
        tables.append(table)
    return tables
