"""Imports the libraries of engines that are extras, so that nothing is sent to their makers.

Only this module imports OpenVINO, NNCF and ONNX Runtime for the engines.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from metastasis.base.errors import InputError

LIBRARIES = {
    "openvino": "OpenVINO",
    "nncf": "NNCF",
    "onnxruntime": "ONNX Runtime",
    "tf2onnx": "tf2onnx",
}
# Its absence is what OpenVINO and NNCF take for "send no usage statistics"; otherwise they send
# them unless the user's home folder says not to.
STATISTICS = "openvino_telemetry"


def require(extra: str, names: Sequence[str]) -> list[Any]:
    """Return the modules `names` of an extra; they ship no types that are of use here.

    Raises:
        InputError: one of them isn't installed.
    """
    sys.modules.setdefault(STATISTICS, None)  # type: ignore[arg-type]  # makes its import fail
    try:
        return [importlib.import_module(name) for name in names]
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES:
            raise
        raise InputError(
            f"{LIBRARIES[error.name]} isn't installed: run `export EXTRA={extra}` and `make setup` "
            f"in the project's folder, or `pip install {error.name}` elsewhere."
        ) from None
