"""Tests how TensorFlow computes in the stages, in a process where a GPU seems to be there."""

import subprocess
import sys

import pytest

from helpers.files import ROOT

SCRIPT = """
import gc
from metastasis.base import starting

with starting.tensorflow():
    import tensorflow as tf
    from metastasis import models
    print("collects:", gc.isenabled())

gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
tf.config.list_physical_devices = lambda kind=None: [gpu]  # Keras looks here for one
network = models.to_logits(models.build("compact", 32))
print("XLA:", network.jit_compile)
print("collects:", gc.isenabled())
print("TF32:", tf.config.experimental.tensor_float_32_execution_enabled())
"""


@pytest.mark.medium
def test_a_gpu_scores_in_full_float32_and_without_compiling_first() -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert result.stdout.splitlines() == [
        "collects: False",
        "XLA: False",
        "collects: True",
        "TF32: False",
    ]
