"""Writes a comparison as Markdown, in sentences and a table.

`comparing` makes the comparison.
"""

import numpy as np

from metastasis.compare import comparing
from metastasis.scores import intervals


def markdown(comparison: comparing.Comparison) -> str:
    """Return the verdict, each side's AUC, the difference with its interval, and notes."""
    base, head = np.mean(comparison.base), np.mean(comparison.head)
    paragraphs = [
        f"**{comparison.verdict}**: test AUC {base:.4f} -> {head:.4f}",
        _table(comparison),
        _difference(comparison),
        *_notes(comparison),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _table(comparison: comparing.Comparison) -> str:
    rows = ["| side | models | mean AUC | AUC of each |", "|---|---|---|---|"]
    for name, areas in (("base", comparison.base), ("head", comparison.head)):
        each = ", ".join(f"{area:.4f}" for area in areas)
        rows.append(f"| {name} | {len(areas)} | {np.mean(areas):.4f} | {each} |")
    return "\n".join(rows)


def _difference(comparison: comparing.Comparison) -> str:
    patches = f"{comparison.num_patches:,} test patches"
    unit = comparison.unit
    if unit in intervals.INDEPENDENT:
        units = f"{comparison.num_units:,} {unit}"
        over = f"{patches} of {units}, by leaving out one {intervals.SINGULAR[unit]} at a time"
    elif unit == "regions":
        over = (
            f"{patches} of mostly unknown slides, by leaving out groups of the "
            f"{comparison.num_units:,} regions in which patches overlap"
        )
    else:
        over = f"{patches} of mostly unknown slides, by DeLong's method"
    found = f"The difference, head - base, is {comparison.difference:+.4f}"
    if np.isnan(comparison.low):
        return f"{found}; it has no interval. Over {over}."
    return f"{found} (95 % interval {comparison.low:+.4f} to {comparison.high:+.4f}), over {over}."


def _notes(comparison: comparing.Comparison) -> list[str]:
    notes = []
    num_units, few = comparison.num_units, intervals.FEW_SLIDES
    is_known = comparison.unit in intervals.INDEPENDENT
    units = comparison.unit
    unit = intervals.SINGULAR[units]
    if comparison.are_identical:
        notes.append("The predictions are identical.")
    elif np.isnan(comparison.low):
        notes.append(
            "Without an interval there is no evidence either way: the difference doesn't change "
            f"or isn't defined when a {unit} is left out. Each class must occur on at least two "
            f"{units}."
        )
    if is_known and comparison.num_unknown:
        notes.append(
            f"The {unit} of {comparison.num_unknown:,} of these patches is unknown. The interval "
            f"counts them as drawn at random from other {units}; the more there are, the more it "
            "is too narrow."
        )
    if not is_known and not np.isnan(comparison.low):
        notes.append(
            "Warning: patches of one slide aren't independent, so this interval is too narrow. "
            "A slide map (`data.slides`) fixes that."
        )
    elif num_units < few:
        notes.append(
            f"Warning: {num_units} {units} are few; below {few} the intervals are rough and wide, "
            "and a real difference is rarely detected."
        )
    if not comparison.is_about_recipes:
        notes.append(
            "The verdict is about these models. A claim about a recipe needs at least "
            f"{comparing.ENOUGH_MODELS} models per side, trained with different seeds."
        )
    return notes
