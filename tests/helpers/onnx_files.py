"""A network in ONNX's format, encoded by hand: the package `onnx` would be needed for nothing else.

Each number is that of a field in ONNX's published schema, onnx.proto.
"""

from collections.abc import Sequence

FLOAT, HALF = 1, 10  # types of elements
INTEGERS = 7  # type of an attribute

Size = int | str  # a number, or a name for any


def mean_network(
    shape: Sequence[Size], axes: tuple[int, ...], output: Sequence[Size], element: int = FLOAT
) -> bytes:
    """Return a network of one input of `shape`, whose output is the mean over `axes`."""
    return _network([_mean("patch", axes)], shape, output, element)


def failing_network() -> bytes:
    """Return a network that loads, but fails to multiply a patch's rows by its columns."""
    product = _text(1, "patch") + _text(1, "patch") + _text(2, "product") + _text(4, "MatMul")
    nodes = [product, _mean("product", (1, 2))]
    return _network(nodes, ("n", "height", "width", 3), ("n", 3), FLOAT)


def _mean(of: str, axes: tuple[int, ...]) -> bytes:
    attributes = _text(1, "axes") + b"".join(_number(8, axis) for axis in axes)
    keep = _text(1, "keepdims") + _number(3, 0) + _number(20, 2)
    node = _text(1, of) + _text(2, "features") + _text(4, "ReduceMean")
    return node + _message(5, attributes + _number(20, INTEGERS)) + _message(5, keep)


def _network(
    nodes: Sequence[bytes], shape: Sequence[Size], output: Sequence[Size], element: int
) -> bytes:
    graph = b"".join(_message(1, node) for node in nodes) + _text(2, "graph")
    graph += _message(11, _value("patch", shape, element))
    graph += _message(12, _value("features", output, element))
    return _number(1, 8) + _message(7, graph) + _message(8, _text(1, "") + _number(2, 13))


def _value(name: str, shape: Sequence[Size], element: int) -> bytes:
    sizes = (_number(1, size) if isinstance(size, int) else _text(2, size) for size in shape)
    dimensions = b"".join(_message(1, size) for size in sizes)
    return _text(1, name) + _message(2, _message(1, _number(1, element) + _message(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return the number in groups of seven bits, the lowest first; all but the last are marked."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
