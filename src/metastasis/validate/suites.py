"""Runs named expectations over a table with Great Expectations; needs no file and leaves none.

Which expectations there are, `rules` says; what follows from a failure, `validating`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations import Expectation

from metastasis.patches.shards import Pool

NUM_EXAMPLES = 3
NUM_DIGITS, MAX_DIGITS = 3, 18  # of a number that is shown, if three say enough; all of a float64

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One expectation with a stable name, what it protects, and what follows from breaking it.

    A broken error stops the run, unless the rows that broke it are quarantined; a warning doesn't.
    `pool` tells of which patches the rows are, where they are patches.
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
    """Return the rule that a text column, which says what was found, says nothing."""
    expectation = gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[""])
    return Rule(name, severity, protects, expectation, pool, is_quarantined)


@dataclass(frozen=True)
class Verdict:
    """What became of one rule.

    `rows` are the id of each row that broke it, with what was found there; of a rule over a whole
    table, one row without an id.
    """

    rule: Rule
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether nothing broke the rule."""
        return not self.rows

    @property
    def stops(self) -> bool:
        """Whether the run can't go on."""
        return bool(self.rows) and self.rule.severity == "error" and not self.rule.is_quarantined

    @property
    def examples(self) -> tuple[str, ...]:
        """The first rows in words."""
        rows = (": ".join(filter(None, row)) or "an empty value" for row in self.rows)
        shown = map(_printable, rows)
        return tuple(dict.fromkeys(shown))[:NUM_EXAMPLES]


def run(table: pd.DataFrame, rules: Sequence[Rule]) -> list[Verdict]:
    """Return the verdict on each rule, in the order of `rules`; a row is known by its `id`, if any.

    Raises:
        RuntimeError: Great Expectations could not evaluate a rule, which is a defect of the rule.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite("rules")
    for rule in rules:
        rule.expectation.meta = {"name": rule.name}
        suite.add_expectation(rule.expectation)
    index = {"unexpected_index_column_names": ["id"]} if "id" in table else {}
    result = batch.get_batch(batch_parameters={"dataframe": table}).validate(
        suite, result_format={"result_format": "COMPLETE", **index}
    )
    by_name = {entry.expectation_config.meta["name"]: entry for entry in result.results}
    return [_verdict(rule, by_name[rule.name], table) for rule in rules]


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
    if "unexpected_index_list" in result:  # of all rows; the list before ends at 200
        values = table.loc[result["unexpected_index_list"], expectation.column].tolist()
    return Verdict(rule, tuple(("", _word(value, expectation)) for value in values))


def _row(entry: dict[str, Any], expectation: Expectation) -> tuple[str, str]:
    """The id, and the values of the other columns of the expectation."""
    values = (value for key, value in entry.items() if key != "id")
    return str(entry["id"]), " ".join(_word(value, expectation) for value in values)


def _printable(text: str) -> str:
    """Return text that can't move the cursor or start a line, as a file's name may."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _word(value: object, expectation: Expectation) -> str:
    if value is None:
        return "no number"
    return _number(value, expectation) if isinstance(value, float | np.floating) else str(value)


def _number(value: float | np.floating, expectation: Expectation) -> str:
    """Return a number with as many digits as it takes to lie outside the bounds, as it does."""
    low, high = (getattr(expectation, f"{end}_value", None) for end in ("min", "max"))
    for num_digits in range(NUM_DIGITS, MAX_DIGITS):
        text = f"{value:.{num_digits}g}"
        if (low is not None and float(text) < low) or (high is not None and float(text) > high):
            return text
    return f"{value:.{NUM_DIGITS}g}"  # there are no bounds
