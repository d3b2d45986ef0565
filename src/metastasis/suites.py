"""Runs named expectations over a table with Great Expectations; needs no file and leaves none.

Which expectations there are, `rules` says; what follows from a failure, `validating`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations import Expectation

NUM_EXAMPLES = 5

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One expectation with a stable name, what it protects, and whether its failure stops."""

    name: str
    severity: Severity
    protects: str
    expectation: Expectation


@dataclass(frozen=True)
class Verdict:
    """What became of one rule; `examples` are values, or the ids of rows, that broke it."""

    rule: Rule
    is_met: bool
    num_unexpected: int
    examples: tuple[str, ...]


def run(table: pd.DataFrame, rules: Sequence[Rule]) -> list[Verdict]:
    """Return the verdict on each rule, in the order of `rules`.

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
    definition = gx.ValidationDefinition(name="rules", data=batch, suite=context.suites.add(suite))
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table},
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": NUM_EXAMPLES},
    )
    by_name = {entry.expectation_config.meta["name"]: entry for entry in result.results}
    return [_verdict(rule, by_name[rule.name]) for rule in rules]


def _verdict(rule: Rule, entry: gx.core.ExpectationValidationResult) -> Verdict:
    if entry.exception_info and entry.exception_info.get("raised_exception", True):
        raise RuntimeError(f"rule {rule.name} could not be evaluated: {entry.exception_info}")
    result = entry.result
    if entry.success:
        return Verdict(rule, is_met=True, num_unexpected=0, examples=())
    if "unexpected_count" in result:
        values = result["partial_unexpected_list"]
        examples = tuple(dict.fromkeys(map(_shown, values)))
        return Verdict(
            rule, is_met=False, num_unexpected=result["unexpected_count"], examples=examples
        )
    return Verdict(rule, is_met=False, num_unexpected=1, examples=(str(result["observed_value"]),))


def _shown(value: object) -> str:
    return " has ".join(map(str, value)) if isinstance(value, tuple) else str(value)
