"""Tests of `explain.auditing`: planted wrong labels of patches and of slides are listed first."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from metastasis.explain import auditing

NUM_SLIDES, NUM_PATCHES = 20, 40


def scored(seed: int = 0) -> pd.DataFrame:
    """Scores of a good network, with the right labels; half of the slides hold no tumour."""
    random = np.random.default_rng(seed)
    slides = np.repeat(np.arange(NUM_SLIDES), NUM_PATCHES)
    labels = (random.random(len(slides)) < np.where(slides % 2, 0.7, 0)).astype(np.int64)
    table = pd.DataFrame({"id": [f"p{number:04}" for number in range(len(slides))]})
    table["slide"] = [f"s{slide:02}" for slide in slides]
    table["label"] = labels
    table["probability"] = expit(random.normal(np.where(labels == 1, 2.5, -2.5), 1.5))
    return table


def flipped(scores: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    return scores.assign(label=scores["label"].where(~rows, 1 - scores["label"]))


def test_flipped_labels_are_on_top() -> None:
    scores = scored()
    is_planted = scores.index.isin(np.random.default_rng(1).choice(len(scores), 40, replace=False))
    found = auditing.suspicious(flipped(scores, pd.Series(is_planted)))
    assert is_planted[found.index[:40]].mean() > 0.6  # at random: 0.05
    assert set(found["reason"]) == {auditing.CONFIDENT}
    assert found["likelihood"].is_monotonic_increasing


def test_all_labels_of_a_flipped_slide_come_first_with_the_count() -> None:
    scores = scored()
    is_planted = scores["slide"] == "s03"
    found = auditing.suspicious(flipped(scores, is_planted))
    assert set(found["slide"][:NUM_PATCHES]) == {"s03"}
    num_contradicted = int(((scores["probability"] > 0.5) == scores["label"])[is_planted].sum())
    assert num_contradicted < NUM_PATCHES  # with some labels the network agrees, and lists them
    expected = f"the network contradicts {num_contradicted} of the slide's 40 labels"
    assert set(found["reason"][:NUM_PATCHES]) == {expected}
    assert set(found["reason"][NUM_PATCHES:]) == {auditing.CONFIDENT}
    assert found["likelihood"][:NUM_PATCHES].is_monotonic_increasing


def test_a_slide_of_which_the_network_is_not_sure_is_not_contradicted() -> None:
    """A threshold for a sensitivity of .95 would call all its patches tumour."""
    scores = scored()
    is_hard = scores["slide"] == "s02"
    scores.loc[is_hard, "probability"] = np.random.default_rng(2).uniform(0.1, 0.45, NUM_PATCHES)
    found = auditing.suspicious(scores.assign(is_called=scores["probability"] >= 0.1))
    assert not (found["slide"] == "s02").any()
    assert len(found) < 0.1 * len(scores)


def test_a_slide_of_few_patches_is_not_judged_as_a_whole() -> None:
    scores = scored()
    is_planted = scores["slide"] == "s03"
    kept = flipped(scores, is_planted)
    kept = kept[~is_planted | (is_planted.cumsum() < auditing.MIN_PATCHES)]
    assert set(auditing.suspicious(kept)["reason"]) == {auditing.CONFIDENT}


def test_without_slides_labels_are_judged_one_by_one() -> None:
    scores = scored()
    wrong = flipped(scores, scores["slide"] == "s03").assign(slide=pd.Series(dtype="str"))
    found = auditing.suspicious(wrong)
    assert set(found["reason"]) == {auditing.CONFIDENT}
    assert (scores.loc[found.index[:20], "slide"] == "s03").mean() > 0.7


def test_the_order_of_rows_does_not_matter() -> None:
    scores = flipped(scored(), scored()["slide"] == "s03")
    mixed = scores.sample(frac=1, random_state=0)
    assert auditing.suspicious(mixed)["id"].tolist() == auditing.suspicious(scores)["id"].tolist()


def test_a_label_is_off_the_diagonal_if_the_network_is_as_sure_of_the_other_class() -> None:
    """The bar of a class is the mean over the patches labelled so: 0.7 for 0, 0.6 for 1."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    probabilities = np.array([0.02, 0.02, 0.52, 0.64, 0.95, 0.9, 0.31, 0.24])
    bars = 1 - probabilities[labels == 0].mean(), probabilities[labels == 1].mean()
    assert bars == pytest.approx((0.7, 0.6))
    found = auditing.off_diagonal(labels, probabilities)
    assert found.tolist() == [False, False, False, True, False, False, False, True]


def test_a_class_without_patches_contradicts_no_label() -> None:
    found = auditing.off_diagonal(np.zeros(3, int), np.array([0.1, 0.5, 0.9]))
    assert found.tolist() == [False] * 3


def test_a_table_without_patches_has_no_suspicious_ones() -> None:
    assert len(auditing.suspicious(scored()[:0])) == 0
