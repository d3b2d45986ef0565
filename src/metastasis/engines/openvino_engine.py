"""Computes logits with OpenVINO, which has faster kernels for plain CPUs than Keras."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metastasis.engines import exported, extras

# In which it computes; auto: bfloat16 where the processor has it.
Precision = Literal["auto", "float32", "bfloat16"]

# Images that a network convolves at once, in any orientation: with their activations they stay in
# the processor's cache. The size of a batch is fixed, since that makes faster kernels.
NUM_CONVOLVED = 16


class OpenvinoEngine:
    """A compiled network; its requests are computed side by side on all cores."""

    def __init__(self, queue: Any, batch_size: int) -> None:  # noqa: ANN401  # AsyncInferQueue
        """Take the queue of a network that was compiled for `batch_size` patches of uint8."""
        self._queue, self._batch_size = queue, batch_size

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (n,) of patches (n, size, size, 3)."""
        num, size = len(patches), self._batch_size
        logits = np.empty(num + -num % size, np.float32)

        def keep(request: Any, start: int) -> None:  # noqa: ANN401  # openvino.InferRequest
            found = request.get_tensor(exported.LOGIT).data
            logits[start : start + size] = found[:, 0]

        self._queue.set_callback(keep)
        for start in range(0, num, size):
            batch = np.ascontiguousarray(patches[start : start + size])
            if len(batch) < size:
                batch = np.pad(batch, ((0, size - len(batch)), *[(0, 0)] * 3))
            self._queue.start_async({exported.INPUT: batch}, start)
        self._queue.wait_all()
        return logits[:num]


def read(path: Path, precision: Precision, num_threads: int | None = None) -> OpenvinoEngine:
    """Return the engine with the network in a .xml file and its .bin.

    Raises:
        InputError: OpenVINO isn't installed, or the file can't be read or isn't ours.
    """
    (openvino,) = extras.require("openvino", ["openvino"])
    core = openvino.Core()
    try:
        network = core.read_model(path)
    except RuntimeError as error:
        raise exported.unreadable(path, "OpenVINO's format", error) from None
    size = exported.require(path, _shapes(network.inputs), _shapes(network.outputs))
    # Taken as they are in memory, patches of uint8 save a copy.
    steps = openvino.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    network = steps.build()
    shape = (size, size, exported.CHANNELS)
    batch_size = max(1, NUM_CONVOLVED // _num_convolved(network, shape))
    network.reshape({exported.INPUT: [batch_size, *shape]})
    settings = {
        "INFERENCE_PRECISION_HINT": _hint(core, precision),
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    if num_threads is not None:
        settings["INFERENCE_NUM_THREADS"] = str(num_threads)
    queue = openvino.AsyncInferQueue(core.compile_model(network, "CPU", settings))
    return OpenvinoEngine(queue, batch_size)


def _num_convolved(network: Any, shape: tuple[int, ...]) -> int:  # noqa: ANN401  # no types
    """Return how many images the network convolves for each patch: its orientations."""
    network.reshape({exported.INPUT: [1, *shape]})
    found = [
        node.input(0).get_shape()[0]
        for node in network.get_ordered_ops()
        if node.get_type_name() == "Convolution"
    ]
    return int(max(found, default=1))


def _hint(core: Any, precision: Precision) -> str:  # noqa: ANN401  # no types
    """Return OpenVINO's word for the precision to compute in."""
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    is_bfloat16 = precision == "bfloat16" or (precision == "auto" and has_bfloat16)
    return "bf16" if is_bfloat16 else "f32"


def _shapes(ports: Any) -> dict[str, list[int | None]]:  # noqa: ANN401  # no types
    found = {}
    for port in ports:
        # A port also has the names of operations that OpenVINO left out, such as an addition of 0.
        names = port.get_names()
        name = min(names & exported.NAMES or names, default="")
        sizes = [] if port.partial_shape.rank.is_dynamic else port.partial_shape
        found[name] = [None if each.is_dynamic else each.get_length() for each in sizes]
    return found
