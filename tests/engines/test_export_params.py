"""Tests of `engines.export_params`: formats that exist, and bits that they can have."""

import re

import pytest
from pydantic import ValidationError

from metastasis.engines.export_params import ExportParams


@pytest.mark.parametrize("formats", [{}, {"onnx": 32}, {"openvino": 8, "onnx": 32}])
def test_known_formats_pass_and_none_is_fine(formats: dict[str, int]) -> None:
    assert ExportParams.model_validate({"formats": formats}).formats == formats


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ({"torchscript": 32}, "'openvino' or 'onnx'"),
        ({"openvino": 16}, "32 or 8"),
        ({"openvino": "8"}, "32 or 8"),
        ({"onnx": 8}, "should have onnx: 32"),
        (["openvino"], "valid dictionary"),
        (None, "valid dictionary"),
    ],
)
def test_others_are_refused(formats: object, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        ExportParams.model_validate({"formats": formats})
