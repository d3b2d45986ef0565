"""Examines the machine: processor, memory and GPU, and what speed they promise."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from metastasis.base import processor
from metastasis.doctor.findings import Finding

GIB = 2**30
NEEDED_MEMORY = 2 * GIB  # of `make repro`, which takes 1.6 GB on two cores

# CPU time of a step of `compact`, and of one with bfloat16, as measured in docs/training.md.
SHOWN = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bf16",
    "amx_bf16": "AMX bf16",
    "bf16": "Arm bf16",
}
AUTO = "precision auto is"
SPEEDS = (
    (processor.BFLOAT16, f"{AUTO} bfloat16: the fastest that was measured"),
    ({"avx512f"}, f"{AUTO} float32: a training step takes 1.7 times the CPU time of bfloat16"),
    ({"avx2"}, f"{AUTO} float32: a training step takes some 3 times the CPU time of bfloat16"),
)
UNKNOWN_SPEED = f"{AUTO} float32: its speed wasn't measured on such a processor"
ONE_GPU = "train.feed device with train.batch_size 256 is the fastest that was measured on one GPU"

# In a process of its own: TensorFlow ends the process on processors without AVX.
LOOK = """
import json, tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
print(json.dumps([[each.get("device_name", "a GPU"), each.get("compute_capability")]
                  for each in details]))
"""
LOOK_SECONDS = 120  # TensorFlow takes 4 s to import, and a minute from a cold disk
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def examine() -> list[Finding]:
    """Return the findings about the machine."""
    return [_system(), examine_processor(), examine_memory(), examine_gpu()]


def _system() -> Finding:
    return Finding("system", platform.platform())


def examine_processor() -> Finding:
    """Return the processor, its features, and the speed of training that they promise."""
    features = processor.features()
    has = [shown for name, shown in SHOWN.items() if name in features]
    speed = next((text for needed, text in SPEEDS if needed & features), UNKNOWN_SPEED)
    num_cores = processor.usable_cores()
    return Finding(
        "processor",
        f"{processor.name()}, {num_cores} of {os.cpu_count()} cores usable; "
        f"{', '.join(has) or 'no AVX2'}\n{speed}",
    )


def examine_memory() -> Finding:
    """Return the memory of the machine, or of the container that this process runs in."""
    memory = psutil.virtual_memory()
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.exists() else "max"
    total = min(memory.total, int(limit)) if limit.isdigit() else memory.total
    limited = " (this container's limit)" if total < memory.total else ""
    available = min(memory.available, total)
    return Finding(
        "memory",
        f"{total / GIB:.1f} GiB{limited}, {available / GIB:.1f} GiB available",
        "The pipeline needs 2 GiB: close other programs, or raise the container's limit."
        if available < NEEDED_MEMORY
        else "",
    )


def examine_gpu() -> Finding:
    """Return the GPUs that TensorFlow sees, or in its own words why it sees none."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    try:
        result = subprocess.run(  # noqa: S603  # this Python, and a program of our own
            [sys.executable, "-c", LOOK],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LOOK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(
            "GPU",
            f"TensorFlow hasn't started within {LOOK_SECONDS} s",
            "Run this again: a first start reads 2 GB from the disk.",
        )
    if result.returncode:
        last = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        return Finding(
            "GPU",
            f"TensorFlow can't be imported: {last}",
            "Run `make setup`. (TensorFlow needs a processor with AVX, or an Arm one.)",
        )
    gpus = json.loads(result.stdout.splitlines()[-1])
    if gpus:
        found = ", ".join(_named(*gpu) for gpu in gpus)
        return Finding("GPU", f"{found}\n{ONE_GPU}" if len(gpus) == 1 else found)
    reasons = [line for line in result.stderr.splitlines() if "GPU" in line]
    reason = reasons[-1].rpartition("] ")[2] if reasons else "it sees none"
    return Finding(
        "GPU",
        f"none for TensorFlow: {reason}",
        "There is an NVIDIA driver: run `make setup EXTRA=gpu`, which installs "
        "TensorFlow with CUDA."
        if has_driver()
        else "",
    )


def has_driver() -> bool:
    """Return whether NVIDIA's driver is installed."""
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def _named(name: str, capability: list[int] | None) -> str:
    if capability is None:
        return name
    return f"{name} (compute capability {'.'.join(map(str, capability))})"
