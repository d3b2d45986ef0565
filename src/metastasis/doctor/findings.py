"""Defines a line of `metastasis doctor`: what was found, and what to do if that is a problem."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    found: str
    advice: str = ""  # set if it is a problem
