"""Finds out the processor, how many of its cores this process may use, and what it can compute."""

import os
import platform
from pathlib import Path

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86-64, x86-64, Arm

_CPUINFO = Path("/proc/cpuinfo")  # of Linux


def usable_cores() -> int:
    """Return how many cores this process may use; in a container they are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def name() -> str:
    """Return the processor's name, as far as the system says it."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def features() -> set[str]:
    """Return the names that Linux gives to the processor's features; elsewhere none is known."""
    return set(_CPUINFO.read_text().split()) if _CPUINFO.exists() else set()
