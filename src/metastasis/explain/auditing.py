"""Finds labels that may be wrong, from probabilities of a network that hasn't learnt them.

Nothing is changed: the list is for a person to review.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_PATCHES = 10  # of a slide that is judged as a whole
MOST = 0.5  # of its labels contradicted: the slide is suspicious
HALF = 0.5  # probability of a label below which the other class is likelier
CONFIDENT = "the network is as sure of the other class as of patches with that label"

Ints = NDArray[np.integer]
Floats = NDArray[np.floating]


def suspicious(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the patches whose labels may be wrong, with the column reason, the likeliest first.

    `scores` has the columns id, slide, label and probability. A patch is listed for its slide, if
    most of the slide's labels are contradicted (then the slide's labels may be exchanged, also
    those that the network happens to agree with), or for itself (`off_diagonal`). Slides come
    first, those with the largest share before others; then the least likely labels.

    A label is contradicted if the other class is likelier. The calls don't count: their threshold
    weighs what errors cost, which says nothing about a label.
    """
    labels, probabilities = scores["label"].to_numpy(), scores["probability"].to_numpy()
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities)
    is_contradicted = pd.Series(likelihood < HALF, scores.index)
    slides = is_contradicted.groupby(scores["slide"])  # without patches of unknown slides
    num_contradicted, num_patches = (slides.transform(way) for way in ("sum", "size"))
    share = num_contradicted / num_patches
    is_by_slide = (share > MOST) & (num_patches >= MIN_PATCHES)
    reasons = [
        f"the network contradicts {contradicted:.0f} of the slide's {num:.0f} labels"
        if by_slide
        else CONFIDENT
        for contradicted, num, by_slide in zip(
            num_contradicted, num_patches, is_by_slide, strict=True
        )
    ]
    found = scores.assign(
        reason=reasons,
        likelihood=likelihood,
        share=share.where(is_by_slide, 0.0),
        together=scores["slide"].where(is_by_slide, ""),
    )
    listed = found[is_by_slide | off_diagonal(labels, probabilities)]
    order = ["share", "together", "likelihood", "id"]
    return listed.sort_values(order, ascending=[False, True, True, True])


def off_diagonal(labels: Ints, probabilities: Floats) -> NDArray[np.bool_]:
    """Return which labels (n,) are off the diagonal of the confident joint.

    This is confident learning (Northcutt, Jiang and Chuang 2021): the network is sure of a class if
    its probability reaches the mean over the patches labelled so. A label is listed if the network
    is sure of the other class, and finds it likelier than the label's.
    """
    own, other = (np.where(labels == label, probabilities, 1 - probabilities) for label in (1, 0))
    # The bar of the other class: how sure the network is of patches with that label.
    bars = np.array(
        [own[labels == label].mean() if (labels == label).any() else 2 for label in (0, 1)]
    )
    return np.asarray((other >= bars[1 - labels]) & (other > own))
