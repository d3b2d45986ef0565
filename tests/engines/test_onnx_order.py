"""Tests that a network's bytes depend on its graph, not on the order and names of its nodes."""

import random
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from metastasis.engines import onnx_order


def write(path: Path, seed: int) -> None:
    """Write (patch * 2 + 3) and its exponential, with nodes in an order and of names by chance."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    two, three, double, batch = (f"{name}__{chance.random()}" for name in ("a", "b", "c", "unk"))
    nodes = [
        helper.make_node("Mul", ["patch", two], [double], name=f"x{chance.random()}"),
        helper.make_node("Add", [double, three], ["logit"], name=f"y{chance.random()}"),
        helper.make_node("Exp", ["logit"], ["probability"], name=f"z{chance.random()}"),
    ]
    held = [
        numpy_helper.from_array(np.array([[n]], np.float32), name)
        for n, name in ((2, two), (3, three))
    ]
    for listed in (nodes, held):
        chance.shuffle(listed)
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 1])
        for name in ("patch", "logit", "probability")
    ]
    graph = helper.make_graph(nodes, "tf2onnx", ports[:1], ports[1:], held)
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opset), path)


def test_equal_networks_have_equal_bytes_and_compute_the_same(tmp_path: Path) -> None:
    contents = set()
    for seed in range(6):
        path = tmp_path / f"{seed}.onnx"
        write(path, seed)
        before = path.read_bytes()
        onnx_order.settle(path)
        assert path.read_bytes() != before
        contents.add(path.read_bytes())
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        logit, exponential = session.run(None, {"patch": np.array([[1], [-1]], np.float32)})
        assert logit[:, 0].tolist() == [5, 1]
        assert exponential[:, 0] == pytest.approx(np.exp([5, 1]))
    assert len(contents) == 1
