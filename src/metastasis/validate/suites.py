"""Checks tables against rules with Great Expectations; reads and writes no files.

`rules` and `slide_rules` define the rules; `validating` decides what follows from a broken one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations import Expectation

from metastasis.patches.shards import Pool

NUM_EXAMPLES = 3
NUM_DIGITS, MAX_DIGITS = 3, 18  # of a shown number: three if they suffice, at most all of a float64

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One expectation with a stable name, the fact that it protects, and its severity.

    A broken rule of severity error stops the run, unless its rows are quarantined; a warning
    doesn't. `pool` is the pool of the rows if they are patches.
    """

    name: str
    severity: Severity
    protects: str
    expectation: Expectation
    pool: Pool | None = None
    is_quarantined: bool = False


def empty(
    name: str,
    severity: Severity,
    protects: str,
    column: str,
    pool: Pool | None = None,
    *,
    is_quarantined: bool = False,
) -> Rule:
    """Return the rule that a text column of findings is empty."""
    expectation = gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[""])
    return Rule(name, severity, protects, expectation, pool, is_quarantined)


@dataclass(frozen=True)
class Verdict:
    """The result of one rule.

    `rows` are the id and the finding of each row that broke it; for a rule on a whole table, one
    row without an id.
    """

    rule: Rule
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether no row broke the rule."""
        return not self.rows

    @property
    def stops(self) -> bool:
        """Whether the rule stops the run."""
        return bool(self.rows) and self.rule.severity == "error" and not self.rule.is_quarantined

    @property
    def examples(self) -> tuple[str, ...]:
        """The first rows as text."""
        rows = (": ".join(filter(None, row)) or "an empty value" for row in self.rows)
        shown = map(_printable, rows)
        return tuple(dict.fromkeys(shown))[:NUM_EXAMPLES]


def run(table: pd.DataFrame, rules: Sequence[Rule]) -> list[Verdict]:
    """Return the verdict on each rule, in the order of `rules`; rows are named by `id`, if present.

    Raises:
        RuntimeError: Great Expectations could not evaluate a rule, which is a bug in the rule.
    """
    definition = _whole_table()  # before the suite, which needs its context
    suite = gx.ExpectationSuite("rules")
    for rule in rules:
        rule.expectation.meta = {"name": rule.name}
        suite.add_expectation(rule.expectation)
    index = {"unexpected_index_column_names": ["id"]} if "id" in table else {}
    batch = definition.get_batch(batch_parameters={"dataframe": table})
    result = batch.validate(suite, result_format={"result_format": "COMPLETE", **index})
    by_name = {entry.expectation_config.meta["name"]: entry for entry in result.results}
    return [_verdict(rule, by_name[rule.name], table) for rule in rules]


@cache
def _whole_table() -> BatchDefinition:
    """Return what takes any table: a context takes 0.02 s, and the gate runs some 30 suites."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("all")


def _verdict(
    rule: Rule, entry: gx.core.ExpectationValidationResult, table: pd.DataFrame
) -> Verdict:
    if entry.exception_info and entry.exception_info.get("raised_exception", True):
        raise RuntimeError(f"rule {rule.name} could not be evaluated: {entry.exception_info}")
    if entry.success:
        return Verdict(rule)
    result, expectation = entry.result, rule.expectation
    if "id" in result.get("unexpected_index_column_names", ()):
        rows = result["unexpected_index_list"]
        return Verdict(rule, tuple(_row(row, expectation) for row in rows))
    values = result.get("unexpected_list") or [result.get("observed_value", "missing")]
    if "unexpected_index_list" in result:  # of all rows; `unexpected_list` ends at 200
        values = table.loc[result["unexpected_index_list"], expectation.column].tolist()
    return Verdict(rule, tuple(("", _word(value, expectation)) for value in values))


def _row(entry: dict[str, Any], expectation: Expectation) -> tuple[str, str]:
    """Return the id, and the values of the expectation's other columns."""
    values = (value for key, value in entry.items() if key != "id")
    return str(entry["id"]), " ".join(_word(value, expectation) for value in values)


def _printable(text: str) -> str:
    """Return text without control characters, which a file's name may hold."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _word(value: object, expectation: Expectation) -> str:
    if value is None:
        return "not a number"
    return _number(value, expectation) if isinstance(value, float | np.floating) else str(value)


def _number(value: float | np.floating, expectation: Expectation) -> str:
    """Return a number with enough digits to be visibly outside the bounds, if it is outside."""
    low, high = (getattr(expectation, f"{end}_value", None) for end in ("min", "max"))
    for num_digits in range(NUM_DIGITS, MAX_DIGITS):
        text = f"{value:.{num_digits}g}"
        if (low is not None and float(text) < low) or (high is not None and float(text) > high):
            return text
    return f"{value:.{NUM_DIGITS}g}"  # without bounds
