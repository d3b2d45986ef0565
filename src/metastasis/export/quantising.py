"""Quantises a network in OpenVINO's format to 8 bits after training, with NNCF.

`exporting` chooses the patches, and decides whether the quantised network is kept.
"""

import contextlib
import io
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metastasis.engines import exported, extras


def quantise(path: Path, patches: NDArray[np.uint8], out_path: Path) -> None:
    """Write the network at `path` to `out_path`, with weights and activations of 8 bits.

    The range of each activation is that found on `patches`, (n, size, size, 3) RGB (Krishnamoorthi
    2018, with NNCF's correction of biases).

    Raises:
        InputError: OpenVINO or NNCF isn't installed.
    """
    openvino, nncf = extras.require("openvino", ["openvino", "nncf"])
    network = openvino.Core().read_model(path)
    given = [{exported.INPUT: patch[None].astype(np.float32)} for patch in patches]
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # bars of its own
        quantised = nncf.quantize(
            network,
            nncf.Dataset(given),
            subset_size=len(given),
            preset=nncf.QuantizationPreset.MIXED,
        )
    openvino.save_model(quantised, out_path, compress_to_fp16=False)
