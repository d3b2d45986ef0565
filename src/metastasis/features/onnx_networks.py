"""Reads frozen networks from .onnx files, which other frameworks export, with ONNX Runtime.

ONNX Runtime is an extra: it is imported only if such a file is used.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metastasis.base.errors import InputError
from metastasis.engines import onnx_sessions
from metastasis.features.networks import BATCH_SIZE, CHANNELS, Float32, Network, brief


def read(path: Path, size: int) -> Network:
    """Return the network in an .onnx file; its features are its only output of (n, d).

    The order of the input's axes is found from its shape, (n, height, width, 3) or
    (n, 3, height, width). `size` is that of the patches, used where the network takes any size.

    Raises:
        InputError: ONNX Runtime isn't installed, the file can't be read, or the network takes or
            gives something else.
    """
    session, failures = _session(path)
    is_first, height, width, num = _input(session, path)
    given, output = session.get_inputs()[0].name, _output(session, path)

    def compute(patches: Float32) -> NDArray[np.floating]:
        ordered = np.ascontiguousarray(patches.transpose(0, 3, 1, 2)) if is_first else patches
        try:
            features: NDArray[np.floating] = session.run([output], {given: ordered})[0]
        except failures as error:
            raise InputError(
                f"{path} can't compute features of {len(patches)} patches of {height or size}x"
                f"{width or size} pixels ({brief(error)}). Export the network for this size and "
                "any number of patches."
            ) from error
        return features

    return Network(compute, height or size, width or size, num or BATCH_SIZE, is_fixed=num > 0)


def _session(path: Path) -> tuple[Any, tuple[type[Exception], ...]]:  # it ships no types
    """Return ONNX Runtime's session, and the exceptions that it raises."""
    try:
        import onnxruntime  # noqa: PLC0415  # an extra
    except ImportError:
        raise InputError(
            f"{path} needs ONNX Runtime, which isn't installed: run `make setup EXTRA=onnx`."
        ) from None
    failures = onnx_sessions.failures(onnxruntime)
    try:
        session = onnx_sessions.open_file(onnxruntime, path)
    except failures as error:
        raise InputError(
            f"{path} can't be read as ONNX ({brief(error)}); expected one file with its weights "
            "inside. Export the network again."
        ) from error
    return session, failures


def _input(session: Any, path: Path) -> tuple[bool, int, int, int]:  # noqa: ANN401
    """Return whether channels are the first axis, and height, width and patches; 0: any."""
    inputs = session.get_inputs()
    shapes = [[size if isinstance(size, int) else 0 for size in each.shape] for each in inputs]
    match [(each.type, *shape) for each, shape in zip(inputs, shapes, strict=True)]:
        case [("tensor(float)", num, height, width, 3)] if height != CHANNELS:
            return False, height, width, num
        case [("tensor(float)", num, 3, height, width)] if width != CHANNELS:
            return True, height, width, num
        case found:
            raise InputError(
                f"{path} takes {found}; expected one input of float32 with the shape (n, height, "
                "width, 3) or (n, 3, height, width), RGB patches of 0..255. Export the network "
                "with its preprocessing inside (docs/probe.md)."
            )


def _output(session: Any, path: Path) -> str:  # noqa: ANN401
    """Return the name of the only output of (n, d)."""
    outputs = session.get_outputs()
    match [each.name for each in outputs if len(each.shape) == 2 and each.shape[1] != 1]:  # noqa: PLR2004
        case [str(name)]:
            return name
        case _:
            found = {each.name: each.shape for each in outputs}
            raise InputError(
                f"{path} gives {found}; expected one output of (n, d) with d above 1. Export the "
                "network with its tokens or feature map pooled, and without a head."
            )
