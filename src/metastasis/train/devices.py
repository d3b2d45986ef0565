"""Finds out the machine's devices, and whether they compute in bfloat16."""

import os

import tensorflow as tf

from metastasis.base import processor
from metastasis.train.train_params import Precision

AMPERE = (8, 0)  # NVIDIA's first compute capability with bfloat16


def strategy(num_workers: int = 1) -> tf.distribute.Strategy:
    """Return the current strategy, or one that divides each batch among GPUs or machines.

    On several machines, nothing may have been computed by TensorFlow before.
    """
    if num_workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def number(num_workers: int) -> int:
    """Return among how many devices each batch is divided; each of several workers has one."""
    return num_workers if num_workers > 1 else strategy().num_replicas_in_sync


def order_of_sums() -> list[str]:
    """Return what the last bits depend on: the GPUs, or the processor and its usable cores."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = map(tf.config.experimental.get_device_details, gpus)
        return [str(each.get("device_name", "GPU")) for each in details]
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return [processor.name(), f"{processor.usable_cores()} cores", isa]


def policy(precision: Precision) -> str:
    """Return Keras's dtype policy; "auto" means bfloat16 if the processor computes in it."""
    if precision == "auto":
        precision = "bfloat16" if _computes_in_bfloat16() else "float32"
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"


def _computes_in_bfloat16() -> bool:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return bool(details.get("compute_capability", (0, 0)) >= AMPERE)
    return bool(processor.features() & processor.BFLOAT16)
