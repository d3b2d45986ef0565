"""Tests of `probe.probe_params`: a network's name can name a stage and files."""

import re

import pytest
from dvc.stage.utils import is_valid_name
from pydantic import ValidationError

from metastasis.pretrained import architectures
from metastasis.probe.probe_params import ProbeParams


@pytest.mark.parametrize("name", [*architectures.ARCHITECTURES, "mine", "2", "a_b"])
def test_a_name_that_passes_is_one_that_dvc_accepts(name: str) -> None:
    assert ProbeParams(networks={name: "data/raw/n.onnx"}, k=None).networks
    assert is_valid_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a/b", "..", "a.b", "A", "a b", "a@b", "ü", "a\n"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="should be a name of lower-case letters, digits"):
        ProbeParams(networks={name: "data/raw/n.onnx"}, k=None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"networks": {"a": "~/n.onnx"}}, "DVC reads it literally"),
        ({"networks": {"a": 'n".onnx'}}, "the shell that DVC starts would interpret"),
        ({"networks": {"a": ""}}, "at least 1 character"),
        ({"networks": ["a"]}, "valid dictionary"),
        ({"k": 0}, "greater than 0"),
        ({"k": 2.5}, "valid integer"),
    ],
)
def test_a_wrong_value_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        ProbeParams.model_validate({"networks": {}, "k": None} | values)
