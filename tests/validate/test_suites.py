"""Tests of `validate.suites`: a verdict counts and names what broke its rule."""

import pandas as pd
import pytest
from great_expectations import expectations as gxe

from metastasis.validate import suites
from metastasis.validate.suites import Rule

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
    assert (rows.is_met, rows.stops, rows.rows) == (False, True, (("", "3"),))
    assert (label.is_met, label.rows) == (False, (("b", "x"), ("b", "y")))
    assert label.examples == ("b: x", "b: y")
    assert (id_.is_met, id_.stops, id_.examples) == (True, False, ())


def test_of_many_rows_all_are_kept_and_the_first_are_examples() -> None:
    table = pd.DataFrame({"id": [f"p{number}" for number in range(50)], "std": [0.123456] * 50})
    rule = Rule(
        "flat", "warning", "why", gxe.ExpectColumnValuesToBeBetween(column="std", min_value=1)
    )
    (verdict,) = suites.run(table, [rule])
    assert verdict.rows == tuple((f"p{number}", "0.123") for number in range(50))
    assert verdict.examples == ("p0: 0.123", "p1: 0.123", "p2: 0.123")
    assert not verdict.stops


@pytest.mark.parametrize(
    ("value", "bounds", "shown"),
    [
        (233.04, {"max_value": 233}, "233.04"),
        (5.9996, {"min_value": 6}, "5.9996"),
        (0.60000001, {"min_value": 0.2, "max_value": 0.6}, "0.60000001"),
        (0.0996, {"min_value": 0.1}, "0.0996"),
        (247.31, {"max_value": 233}, "247"),
    ],
)
def test_a_number_has_the_digits_that_put_it_out_of_bounds(
    value: float, bounds: dict[str, float], shown: str
) -> None:
    table = pd.DataFrame({"id": ["a"], "value": [value]})
    rules = [
        Rule("each", "error", "why", gxe.ExpectColumnValuesToBeBetween(column="value", **bounds)),
        Rule("mean", "error", "why", gxe.ExpectColumnMeanToBeBetween(column="value", **bounds)),
    ]
    each, mean = suites.run(table, rules)
    assert each.rows == (("a", shown),)
    assert mean.rows == (("", shown),)


def test_a_rule_about_the_id_itself_names_it_once() -> None:
    rule = Rule("id", "error", "why", gxe.ExpectColumnValuesToBeUnique(column="id"))
    (verdict,) = suites.run(TABLE, [rule])
    assert verdict.rows == (("b", ""), ("b", ""))
    assert verdict.examples == ("b",)


def test_a_table_without_ids_is_judged_by_its_values() -> None:
    rule = Rule(
        "name", "warning", "why", gxe.ExpectColumnValuesToBeInSet(column="name", value_set=[""])
    )
    (verdict,) = suites.run(pd.DataFrame({"name": ["a.txt", "", "b.txt"]}), [rule])
    assert verdict.rows == (("", "a.txt"), ("", "b.txt"))


def test_an_error_whose_rows_are_quarantined_does_not_stop() -> None:
    expectation = gxe.ExpectColumnValuesToBeInSet(column="label", value_set=["0"])
    rule = Rule("label", "error", "why", expectation, "labelled", is_quarantined=True)
    (verdict,) = suites.run(TABLE, [rule])
    assert (verdict.is_met, verdict.stops) == (False, False)


def test_a_rule_over_a_column_that_is_not_there_is_a_defect_not_a_verdict() -> None:
    rule = Rule("slide", "error", "why", gxe.ExpectColumnValuesToNotBeNull(column="slide"))
    with pytest.raises(RuntimeError, match="rule slide could not be evaluated"):
        suites.run(TABLE, [rule])


def test_what_is_shown_of_a_name_cannot_move_the_cursor() -> None:
    rule = Rule(
        "name", "warning", "why", gxe.ExpectColumnValuesToBeInSet(column="name", value_set=[""])
    )
    (verdict,) = suites.run(pd.DataFrame({"name": ["a\x1b[31m\nb\u00e4"]}), [rule])
    assert verdict.examples == ("a\\x1b[31m\\nb\u00e4",)
