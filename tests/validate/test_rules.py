"""Tests of `validate.rules`: where the line is drawn, and what follows beyond it."""

from typing import get_args

import pandas as pd
import pytest

from metastasis.patches.shards import Pool
from metastasis.validate import rules, slide_rules, suites


def broken(table: pd.DataFrame, asked: list[suites.Rule]) -> dict[str, list[str]]:
    """The ids of the rows that broke each rule that was broken."""
    verdicts = suites.run(table, asked)
    return {v.rule.name: [id_ for id_, _ in v.rows] for v in verdicts if not v.is_met}


def test_outliers_begin_beyond_the_stated_limits() -> None:
    table = pd.DataFrame(
        {
            "id": ["flat", "not flat", "white", "not white", "black", "not black"],
            "std": [5.99, 6.0, 40, 40, 40, 40],
            "mean": [120, 120, 233.1, 233.0, 24.9, 25.0],
        }
    )
    assert broken(table, rules.outliers("labelled", is_quarantined=False)) == {
        "labelled-patch-flat": ["flat"],
        "labelled-patch-white": ["white"],
        "labelled-patch-black": ["black"],
    }


@pytest.mark.parametrize(("num_missing", "is_met"), [(21, True), (22, False)])
def test_exactly_the_share_that_may_be_missing_may(num_missing: int, is_met: bool) -> None:
    """0.42 of 50 are 21, though 1 - 0.42 is more than 29 in 50."""
    table = pd.DataFrame({"id": [f"p{number}" for number in range(50)], "without_row": ""})
    table["is_missing"] = [1.0] * num_missing + [0.0] * (50 - num_missing)
    table["without_image"] = ["no image"] * num_missing + [""] * (50 - num_missing)
    found = broken(table, rules.presence("labelled", 0.42))
    assert ("labelled-images-whole" not in found) == is_met
    assert len(found["labelled-image-present"]) == num_missing


def test_a_bad_labelled_patch_stops_and_one_to_be_predicted_does_not() -> None:
    pools = dict(zip(get_args(Pool), ("error", "warning"), strict=True))
    for pool, severity in pools.items():
        flaws = rules.images(pool, is_quarantined=False)[:-1]  # the last is about links
        assert {rule.severity for rule in flaws} == {severity}
        assert all(rule.name.startswith(f"{pool}-image-") for rule in flaws)


def test_every_rule_has_a_name_of_its_own_and_a_sentence() -> None:
    asked = [
        *(rule for table in rules.TABLES for rule in rules.form(table) + rules.columns(table)),
        *rules.ids("labels", "sha1"),
        *rules.ids("submission", "any"),
        *rules.labels(1, 0.2, 0.6),
        *slide_rules.rows(),
        *slide_rules.whole(),
        *slide_rules.coverage(),
        *slide_rules.contradictions(),
        *slide_rules.other_maps(),
        *slide_rules.other_form(),
        *rules.apart(),
        *rules.strays(),
        *rules.unlabelled_pool(),
        *rules.pixels(is_quarantined=True),
    ]
    for pool in rules.POOL_TABLES:
        asked += rules.presence(pool, 0.0) + rules.images(pool, is_quarantined=True)
        asked += rules.hashes(pool, is_quarantined=True) + rules.outliers(pool, is_quarantined=True)
    names = [rule.name for rule in asked]
    assert len(set(names)) == len(names)
    assert all(rule.protects.endswith(".") for rule in asked)


@pytest.mark.parametrize("id_", ["a.tif", ".hidden", "../x", "a b", "", "a/b"])
def test_what_is_no_plain_name_is_no_id(id_: str) -> None:
    table = pd.DataFrame({"id": [id_, "plain-1", "PCam_2.x"]})
    assert broken(table, rules.ids("labels", "any")) == {"labels-id-form": [id_]}
