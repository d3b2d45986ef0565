"""Counts the processor cores that this process may use."""

import os


def usable() -> int:
    """Return how many cores this process may use; in a container they are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
