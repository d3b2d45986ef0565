"""Opens .onnx files with ONNX Runtime, which the caller imports: it is an extra."""

from pathlib import Path
from typing import Any


def failures(onnxruntime: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401  # it ships no types
    """Return the exceptions that ONNX Runtime raises for a file or a network."""
    state = onnxruntime.capi.onnxruntime_pybind11_state
    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )


def open_file(onnxruntime: Any, path: Path, options: Any = None) -> Any:  # noqa: ANN401
    """Return the session of the network in the file at `path`, which computes on the processor.

    `options` are its `SessionOptions`. Raises one of `failures` if the file can't be read.
    """
    # From bytes, since a path with other characters than ASCII depends on the locale.
    return onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
