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
NO_NNCF = (3, 12)  # the first Python that pyproject.toml has no NNCF for
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
        if error.name == "nncf" and sys.version_info >= NO_NNCF:
            raise InputError(
                "NNCF, which writes 8 bits, allows NumPy up to 2.4 only, and with this Python the "
                "project uses a later one: use Python 3.11, or export 32 bits."
            ) from None
        raise InputError(
            f"{LIBRARIES[error.name]} isn't installed: run `make setup EXTRA={extra}` in the "
            f"project's folder, or `pip install {error.name}` elsewhere."
        ) from None
