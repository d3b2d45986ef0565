"""Tests of `doctor.machine`: what the processor promises, and why there is no GPU."""

from pathlib import Path

import pytest

from metastasis.base import processor
from metastasis.doctor import machine


@pytest.mark.parametrize(
    ("flags", "shown", "speed"),
    [
        ("fpu avx avx2 avx512f avx512_bf16", "AVX2, AVX-512, AVX-512 bf16", "is bfloat16: the"),
        ("fpu avx avx2 avx512f", "AVX2, AVX-512", "is float32: a training step takes 1.7 times"),
        ("fpu avx avx2", "AVX2", "is float32: a training step takes some 3 times"),
        ("asimd bf16", "Arm bf16", "is bfloat16: the fastest"),
        ("fpu avx", "no AVX2", "is float32: its speed wasn't measured"),
        ("", "no AVX2", "its speed wasn't measured"),
    ],
)
def test_the_speed_to_expect_follows_from_the_processors_features(
    monkeypatch: pytest.MonkeyPatch, flags: str, shown: str, speed: str
) -> None:
    monkeypatch.setattr(processor, "features", lambda: set(flags.split()))
    found = machine.examine_processor()
    assert f"cores usable; {shown}\n" in found.found
    assert speed in found.found


@pytest.mark.parametrize(
    ("program", "found", "advice"),
    [
        ("print('[]')", "none for TensorFlow: it sees none", ""),
        (
            "import sys; print('I0 1 x.cc:3] no GPU will be used', file=sys.stderr); print('[]')",
            "none for TensorFlow: no GPU will be used",
            "",
        ),
        (
            'print(\'[["H100", [9, 0]], ["a GPU", null]]\')',
            "H100 (compute capability 9.0), a GPU",
            "",
        ),
        ("print('[[\"H100\", [9, 0]]]')", "(compute capability 9.0)\ntrain.feed device", ""),
        ("raise ImportError('no such library')", "ImportError: no such library", "make setup"),
        ("import os; os.kill(os.getpid(), 4)", "exit code -4", "needs a processor with AVX"),
        ("import time; time.sleep(9)", "hasn't started within 1 s", "a first start reads"),
    ],
)
def test_a_gpu_is_named_or_why_there_is_none(
    monkeypatch: pytest.MonkeyPatch, program: str, found: str, advice: str
) -> None:
    monkeypatch.setattr(machine, "LOOK", program)
    monkeypatch.setattr(machine, "LOOK_SECONDS", 1)
    monkeypatch.setattr(machine, "has_driver", lambda: False)
    gpu = machine.examine_gpu()
    assert found in gpu.found
    assert (advice in gpu.advice) if advice else not gpu.advice


def test_a_driver_without_a_usable_gpu_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LOOK", "print('[]')")
    monkeypatch.setattr(machine, "has_driver", lambda: True)
    gpu = machine.examine_gpu()
    assert "make setup EXTRA=gpu" in gpu.advice


@pytest.mark.parametrize(
    ("limit", "shown", "is_problem"),
    [("max", "", False), (str(2**30), "1.0 GiB (this container's limit)", True)],
)
def test_a_containers_limit_counts_as_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, shown: str, *, is_problem: bool
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(machine, "CGROUP_LIMIT", tmp_path / "memory.max")
    monkeypatch.setattr(machine, "NEEDED_MEMORY", 2**30 + 1 if is_problem else 0)
    memory = machine.examine_memory()
    assert shown in memory.found
    assert bool(memory.advice) == is_problem
