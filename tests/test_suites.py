"""Tests of `metastasis.suites`: a verdict counts and names what broke its rule."""

import pandas as pd
import pytest
from great_expectations import expectations as gxe

from metastasis import suites
from metastasis.suites import Rule

TABLE = pd.DataFrame({"id": ["a", "b", "b"], "label": ["0", "x", "y"]})


def test_verdicts_come_in_the_order_of_the_rules_with_counts_and_examples() -> None:
    rules = [
        Rule("rows", "error", "why", gxe.ExpectTableRowCountToBeBetween(min_value=5)),
        Rule(
            "label",
            "error",
            "why",
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=["0"]),
        ),
        Rule("id", "warning", "why", gxe.ExpectColumnValuesToNotBeNull(column="id")),
    ]
    rows, label, id_ = suites.run(TABLE, rules)
    assert (rows.is_met, rows.examples) == (False, ("3",))
    assert (label.is_met, label.num_unexpected, label.examples) == (False, 2, ("x", "y"))
    assert (id_.is_met, id_.num_unexpected, id_.examples) == (True, 0, ())


def test_a_rule_over_a_column_that_is_not_there_is_a_defect_not_a_verdict() -> None:
    rule = Rule("slide", "error", "why", gxe.ExpectColumnValuesToNotBeNull(column="slide"))
    with pytest.raises(RuntimeError, match="rule slide could not be evaluated"):
        suites.run(TABLE, [rule])
