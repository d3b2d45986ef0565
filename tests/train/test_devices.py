"""Tests of `train.devices`: the precision that is asked for, the strategy that is in force."""

from pathlib import Path

import pytest
import tensorflow as tf

from metastasis.train import devices

pytestmark = pytest.mark.medium


def test_a_precision_asked_for_is_taken() -> None:
    assert devices.policy("float32") == "float32"
    assert devices.policy("bfloat16") == "mixed_bfloat16"


def test_auto_is_bfloat16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, policy in (("fpu avx512_bf16 sse", "mixed_bfloat16"), ("fpu sse", "float32")):
        monkeypatch.setattr(Path, "exists", lambda _: True)
        monkeypatch.setattr(Path, "read_text", lambda _, flags=flags: flags)
        assert devices.policy("auto") == policy


def test_on_one_device_the_strategy_is_the_one_in_force() -> None:
    assert devices.strategy().num_replicas_in_sync == 1
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        assert isinstance(devices.strategy(), tf.distribute.OneDeviceStrategy)
