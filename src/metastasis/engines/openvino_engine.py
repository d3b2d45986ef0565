"""Computes logits with OpenVINO, which has faster kernels for plain CPUs than Keras."""

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from metastasis.engines import exported, extras

# In which it computes; auto: bfloat16 where the processor has it.
Precision = Literal["auto", "float32", "bfloat16"]

# A batch with its activations stays in the processor's cache. Of a fixed size, kernels are faster.
BATCH_SIZE = 8


class OpenvinoEngine:
    """A compiled network; its requests are computed side by side on all cores."""

    def __init__(self, queue: Any) -> None:  # noqa: ANN401  # openvino.AsyncInferQueue
        """Take the queue of a network that was compiled for `BATCH_SIZE` patches of uint8."""
        self._queue = queue

    def logits(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (n,) of patches (n, size, size, 3)."""
        num = len(patches)
        logits = np.empty(num + -num % BATCH_SIZE, np.float32)

        def keep(request: Any, start: int) -> None:  # noqa: ANN401  # openvino.InferRequest
            found = request.get_tensor(exported.LOGIT).data
            logits[start : start + BATCH_SIZE] = found[:, 0]

        self._queue.set_callback(keep)
        for start in range(0, num, BATCH_SIZE):
            batch = np.ascontiguousarray(patches[start : start + BATCH_SIZE])
            if len(batch) < BATCH_SIZE:
                batch = np.pad(batch, ((0, BATCH_SIZE - len(batch)), *[(0, 0)] * 3))
            self._queue.start_async({exported.INPUT: batch}, start)
        self._queue.wait_all()
        return logits[:num]


def read(path: Path, precision: Precision) -> OpenvinoEngine:
    """Return the engine with the network in a .xml file and its .bin, or in a .keras file.

    Raises:
        InputError: OpenVINO isn't installed, or the file can't be read or isn't ours.
    """
    (openvino,) = extras.require("openvino", ["openvino"])
    if path.suffix == ".xml":
        return OpenvinoEngine(compiled(openvino, path, precision))
    from metastasis.engines import converting  # noqa: PLC0415  # with Keras, which takes seconds

    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder, "model.xml")
        converting.convert(path, converted)
        return OpenvinoEngine(compiled(openvino, converted, precision))


def compiled(openvino: Any, path: Path, precision: Precision) -> Any:  # noqa: ANN401  # no types
    """Return the queue of the network's requests, for `BATCH_SIZE` patches of uint8 each."""
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
    network.reshape({exported.INPUT: [BATCH_SIZE, size, size, exported.CHANNELS]})
    settings = {
        "INFERENCE_PRECISION_HINT": _hint(core, precision),
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    return openvino.AsyncInferQueue(core.compile_model(network, "CPU", settings))


def _hint(core: Any, precision: Precision) -> str:  # noqa: ANN401  # no types
    """Return OpenVINO's word for the precision to compute in."""
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    is_bfloat16 = precision == "bfloat16" or (precision == "auto" and has_bfloat16)
    return "bf16" if is_bfloat16 else "f32"


def _shapes(ports: Any) -> dict[str, list[int | None]]:  # noqa: ANN401  # no types
    found = {}
    for port in ports:
        name = min(port.get_names(), default="")
        sizes = [] if port.partial_shape.rank.is_dynamic else port.partial_shape
        found[name] = [None if each.is_dynamic else each.get_length() for each in sizes]
    return found
