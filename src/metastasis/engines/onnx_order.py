"""Orders and names the nodes of an ONNX network by its graph alone.

tf2onnx orders them by addresses in memory, so that each run gives other bytes.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

from metastasis.engines import extras

BATCH = "n"  # the name of the size that isn't fixed


def settle(path: Path) -> None:
    """Write the network at `path` anew, so that equal networks have equal bytes."""
    (onnx,) = extras.require("onnx", ["onnx"])
    model = onnx.load(path)
    graph = model.graph
    nodes = _ordered(graph)
    kept = [port.name for port in (*graph.input, *graph.output)]
    names: dict[str, str] = {"": "", **{name: name for name in kept}}
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        for values in (node.input, node.output):
            values[:] = [names.setdefault(name, f"value_{len(names)}") for name in values]
    held = {names[each.name]: each for each in graph.initializer if each.name in names}
    for name, each in held.items():
        each.name = name
    first = {name: number for number, name in enumerate(names.values())}
    initializers = [held[name] for name in sorted(held, key=lambda name: first[name])]
    for field, items in (("node", nodes), ("initializer", initializers), ("value_info", [])):
        copied = [type(item).FromString(item.SerializeToString()) for item in items]
        graph.ClearField(field)
        getattr(graph, field).extend(copied)
    for port in (*graph.input, *graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = BATCH
        port.doc_string = ""
    path.write_bytes(model.SerializeToString(deterministic=True))


def _ordered(graph: Any) -> list[Any]:  # noqa: ANN401  # onnx.GraphProto
    """Return the nodes that the outputs need, each after the nodes that it needs itself."""
    makers = {name: node for node in graph.node for name in node.output}
    ordered: list[Any] = []
    is_done: dict[int, bool] = defaultdict(bool)
    waiting = [(makers[port.name], False) for port in reversed(graph.output)]
    while waiting:
        node, has_inputs = waiting.pop()
        if is_done[id(node)]:
            continue
        if has_inputs:
            is_done[id(node)] = True
            ordered.append(node)
            continue
        waiting.append((node, True))
        waiting += [(makers[name], False) for name in reversed(node.input) if name in makers]
    return ordered
