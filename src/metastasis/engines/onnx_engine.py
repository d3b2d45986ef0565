"""Computes logits with ONNX Runtime, whose file many other programs read too."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis.base import processor
from metastasis.engines import exported, extras, onnx_sessions

BATCH_SIZE = 8  # as for OpenVINO: larger ones leave the cache


class OnnxEngine:
    """A network in ONNX Runtime's session."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401  # it ships no types
        """Take the session of a network that `exported` describes."""
        self._session = session

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (n,) of patches (n, size, size, 3), `BATCH_SIZE` at a time."""
        logits = np.empty(len(patches), np.float32)
        for start in range(0, len(patches), BATCH_SIZE):
            batch = patches[start : start + BATCH_SIZE].astype(np.float32, order="C")
            (found,) = self._session.run([exported.LOGIT], {exported.INPUT: batch})
            logits[start : start + len(batch)] = found[:, 0]
        return logits


def read(path: Path, num_threads: int | None = None) -> OnnxEngine:
    """Return the engine with the network in a .onnx file.

    Raises:
        InputError: ONNX Runtime isn't installed, or the file can't be read or isn't ours.
    """
    (onnxruntime,) = extras.require("onnx", ["onnxruntime"])
    return OnnxEngine(_session(onnxruntime, path, num_threads or processor.usable_cores()))


def _session(onnxruntime: Any, path: Path, num_threads: int) -> Any:  # noqa: ANN401  # no types
    options = onnxruntime.SessionOptions()
    # By default it starts a thread for each core of the machine, which wait by spinning.
    options.intra_op_num_threads = num_threads
    try:
        session = onnx_sessions.open_file(onnxruntime, path, options)
    except onnx_sessions.failures(onnxruntime) as error:
        raise exported.unreadable(path, "ONNX", error) from None
    exported.require(path, _shapes(session.get_inputs()), _shapes(session.get_outputs()))
    return session


def _shapes(ports: Any) -> dict[str, list[int | None]]:  # noqa: ANN401  # it ships no types
    return {
        port.name: [size if isinstance(size, int) else None for size in port.shape]
        for port in ports
    }
