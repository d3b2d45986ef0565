"""The error for what a user can mend, and how its message lists what was found.

How it reaches the terminal is the business of `stage`.
"""

from collections.abc import Iterable

NUM_NAMED = 3


class InputError(ValueError):
    """Bad input or a bad parameter: the message says what was found, expected, and what to do."""


def named(names: Iterable[str], separator: str = ", ") -> str:
    """Return the first few names, and dots if there are more."""
    found = list(names)
    return separator.join(found[:NUM_NAMED] + ["..."] * (len(found) > NUM_NAMED))
