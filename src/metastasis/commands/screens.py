"""Lays out what a command prints: a column of names, and beside it texts that are wrapped."""

import shutil
import textwrap
from collections.abc import Iterable

RESEARCH = "Research software. Not a medical device; not for diagnosis."
MAX_WIDTH = 100  # longer lines are hard to read, on a wide terminal too
MIN_WIDTH = 60
Row = tuple[str, str]  # a name, and its text; an empty name goes on with the one above


def lay_out(rows: Iterable[Row]) -> str:
    """Return the rows as lines that fit the terminal, each text beside its name.

    A line break in a text starts a new line. Other control characters are shown as escapes: a text
    from elsewhere, such as a card's, must not steer the terminal.
    """
    rows = [(name, _printable(text)) for name, text in rows]
    indent = max(len(name) for name, _ in rows) + 2
    width = max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size((MAX_WIDTH, 24)).columns))
    lines = []
    for name, text in rows:
        start = name.ljust(indent)
        for line in text.split("\n"):
            lines += textwrap.wrap(
                line,
                width,
                initial_indent=start,
                subsequent_indent=" " * indent,
                break_long_words=False,
                break_on_hyphens=False,
            ) or [start.rstrip()]
            start = " " * indent
    return "\n".join(lines)


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )
