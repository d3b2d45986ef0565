"""Lists the metrics and the params that differ between two reproduced folders.

`comparing` judges whose model is better.
"""

import json
from pathlib import Path
from typing import Any

from metastasis.base import params as sections
from metastasis.base.errors import InputError

NUM_DIGITS = 4  # of a change; the files hold all digits
MAIN = "evaluate.json"  # its metrics are shown first, without their intervals
MAX_ROWS = 150  # of each table: a comment on a pull request has 65,536 characters

Rows = list[tuple[str, Any, Any]]  # name, value in base, value in head; None: missing


def metrics(base: Path, head: Path) -> str:
    """Return the metrics that differ between the folders `base` and `head`, as Markdown."""
    rows = _changed(_metrics(base), _metrics(head))
    first = [row for row in rows if row[0].startswith(MAIN) and ".interval." not in row[0]]
    others = [row for row in rows if row not in first]
    text = _table("metric", first) if first else f"No metric of {MAIN} changed.\n"
    if others:
        text += (
            f"\n<details><summary>{len(others):,} other metrics</summary>\n\n"
            f"{_table('metric', others)}\n</details>\n"
        )
    return text


def params(base: Path, head: Path) -> str:
    """Return the params that differ between the folders `base` and `head`, as Markdown."""
    both = (sections.load(folder / sections.PARAMS_PATH) for folder in (base, head))
    rows = _changed(*(_flat(found, "") for found in both))
    return _table("param", rows) if rows else "No param changed.\n"


def _metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted((folder / "metrics").rglob("*.json")):
        try:
            content = json.loads(_text(path))
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is not JSON: {error}. Reproduce {folder} again.") from error
        found |= _flat(content, f"{path.relative_to(folder / 'metrics').as_posix()}: ")
    if not found:
        raise InputError(f"{folder}/metrics holds no metrics; run `dvc repro` in {folder}.")
    return found


def _text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path} doesn't exist; expected a folder with a reproduced pipeline.")
    return path.read_text(encoding="utf-8")


def _flat(value: Any, name: str) -> dict[str, Any]:  # noqa: ANN401  # JSON's and YAML's own values
    """Return the values of nested sections by flat names such as `test.roc_auc`."""
    if not isinstance(value, dict):
        return {name.removesuffix("."): value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{name}{key}.")
    return flat


def _changed(base: dict[str, Any], head: dict[str, Any]) -> Rows:
    """Return the rows that differ, in base's order; rows that only head has come last."""
    rows = [(name, base.get(name), head.get(name)) for name in base | head]
    return [row for row in rows if row[1] != row[2]]


def _table(title: str, rows: Rows) -> str:
    lines = [f"| {title} | base | head | change |", "|---|---|---|---|"]
    for name, base, head in rows[:MAX_ROWS]:
        cells = [name, _cell(base), _cell(head), _change(base, head)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if len(rows) > MAX_ROWS:
        lines.append(f"| and {len(rows) - MAX_ROWS:,} more | | | |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:  # noqa: ANN401  # JSON's and YAML's own values
    return "-" if value is None else str(value)


def _change(base: Any, head: Any) -> str:  # noqa: ANN401  # JSON's and YAML's own values
    if all(type(value) is int for value in (base, head)):
        return f"{head - base:+,}"
    are_numbers = all(type(value) in (int, float) for value in (base, head))
    return f"{head - base:+.{NUM_DIGITS}g}" if are_numbers else ""
