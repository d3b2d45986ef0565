"""The error for what a user can mend.

How it reaches the terminal is the business of `stage`.
"""


class InputError(ValueError):
    """Bad input or a bad parameter: the message says what was found, expected, and what to do."""
