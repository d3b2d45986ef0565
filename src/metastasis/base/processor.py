"""Finds out how many cores this process may use, and what the processor can compute."""

import os
from pathlib import Path

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86-64, x86-64, Arm

_CPUINFO = Path("/proc/cpuinfo")  # of Linux


def usable_cores() -> int:
    """Return how many cores this process may use; in a container they are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def features() -> set[str]:
    """Return the names that Linux gives to the processor's features; elsewhere none is known."""
    return set(_CPUINFO.read_text().split()) if _CPUINFO.exists() else set()
