"""Section `export` of params.yaml: the formats of the final model, each with its bits."""

from typing import Literal

from pydantic import field_validator

from metastasis.base.params import Section

Format = Literal["openvino", "onnx"]
Bits = Literal[32, 8]  # of a weight: floats, or whole numbers


class ExportParams(Section):
    """The bits of a weight in each format that the final model is exported to."""

    formats: dict[Format, Bits]

    @field_validator("formats")
    @classmethod
    def _quantisable(cls, formats: dict[Format, Bits]) -> dict[Format, Bits]:
        if formats.get("onnx") == 8:  # noqa: PLR2004  # bits
            raise ValueError("should have onnx: 32; 8 bits are written for openvino alone")
        return formats
