"""Defines the error for problems that a user can fix, and shortens lists of names in its message.

`stage` prints the message.
"""

import errno
from collections.abc import Iterable

NUM_NAMED = 3
FULL = (errno.ENOSPC, errno.EDQUOT)  # the numbers of a disk without space


class InputError(ValueError):
    """Bad input or a bad param; the message says what was found, what was expected, what to do."""


def named(names: Iterable[str], separator: str = ", ") -> str:
    """Return the first `NUM_NAMED` names, followed by dots if there are more."""
    found = list(names)
    return separator.join(found[:NUM_NAMED] + ["..."] * (len(found) > NUM_NAMED))
