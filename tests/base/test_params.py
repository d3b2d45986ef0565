"""Tests of `base.params`: a wrong key or value names key, value and what is accepted."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from dvc.utils import serialize
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from metastasis.base import params
from metastasis.base.errors import InputError


class Example(params.Section):
    """A section with a key of each kind."""

    learning_rate: Annotated[float, Field(gt=0)]
    epochs: Annotated[int, Field(ge=1)]
    model: Literal["small", "large"]
    is_round: bool


GOOD = "learning_rate: 0.1, epochs: 3, model: small, is_round: false"


def read(tmp_path: Path, text: str) -> Example:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return params.read("example", Example, path)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1e-05", 1e-5), ("1.5E+2", 150.0), ("0.00001", 1e-5)]
)
def test_numbers_that_yaml_1_1_reads_as_text_are_numbers(
    tmp_path: Path, text: str, value: float
) -> None:
    section = read(tmp_path, f"example: {{{GOOD.replace('0.1', text)}}}")
    assert section.learning_rate == value


@pytest.mark.parametrize("value", ["1e-05", "yes", "010", "0o17", "1_000", "1:30", ".5", "null"])
def test_a_value_is_read_as_dvc_reads_it(tmp_path: Path, value: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {{key: {value}}}\n")
    assert params.load(path) == serialize.parse_yaml(path.read_text(), path)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'found duplicate key "seed" .* in line 3\.$'):
        read(tmp_path, "example:\n  seed: 1\n  seed: 2")


@given(value=st.floats(min_value=1e-300, max_value=1e300))
def test_every_float_survives_being_written_as_python_writes_it(
    value: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("params")
    section = read(folder, f"example: {{{GOOD.replace('0.1', repr(value))}}}")
    assert section.learning_rate == value


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("learning_rate: -1", "example.learning_rate is -1: should be greater than 0"),
        ("learning_rate: fast", "example.learning_rate is 'fast': should be a valid number"),
        ("epochs: 2.5", "example.epochs is 2.5: should be a valid integer"),
        ("epochs: '3'", "example.epochs is '3': should be a valid integer"),
        ("epochs: true", "example.epochs is True: should be a valid integer"),
        ("model: huge", "example.model is 'huge': should be 'small' or 'large'"),
        ("is_round: 1", "example.is_round is 1: should be a valid boolean"),
        ("learning_rate: .inf", "example.learning_rate is inf: should be a finite number"),
        ("learning_rate: null", r"example.learning_rate is empty \(null\): should be"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(
    tmp_path: Path, bad: str, message: str
) -> None:
    key = bad.split(":", maxsplit=1)[0]
    kept = [pair for pair in GOOD.split(", ") if not pair.startswith(key)]
    with pytest.raises(InputError, match=message):
        read(tmp_path, f"example: {{{', '.join([*kept, bad])}}}")


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"example\.epoch is unknown.*mean 'epochs'.*is_round"):
        read(tmp_path, f"example: {{{GOOD}, epoch: 3}}")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"example\.epochs is missing"):
        read(tmp_path, f"example: {{{GOOD.replace('epochs: 3, ', '')}}}")


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    wrong = GOOD.replace("epochs: 3", "epochs: 0").replace("small", "1")
    with pytest.raises(InputError, match=r"(?s)epochs is 0.*model is 1") as error:
        read(tmp_path, f"example: {{{wrong}}}")
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other: {}", "section 'example' is missing; found: other"),
        ("example: 3", "section 'example' holds 3; expected keys and values"),
        ("1: {}", "section 'example' is missing; found: 1"),
        ("- example", "holds no sections"),
        ("", "holds no sections"),
        ("example: {", "not readable as YAML"),
    ],
)
def test_a_file_without_the_section_says_what_it_holds(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is missing: run in the folder of dvc\.yaml"):
        params.read("example", Example, tmp_path / "params.yaml")


def test_an_unknown_section_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("trian: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"'trian' is unknown\. Did you mean 'train'"):
        params.check_names(["split", "train"], path)


def test_a_section_is_frozen(tmp_path: Path) -> None:
    section = read(tmp_path, f"example: {{{GOOD}}}")
    with pytest.raises(ValueError, match="frozen"):
        section.epochs = 4  # type: ignore[misc]  # that it fails is the test


def test_some_keys_of_a_section_are_read_and_the_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("example:\n  other: wrong\n  rate: 0.5\n")

    class Part(params.Section):
        rate: float

    assert params.read_some("example", Part, path) == Part(rate=0.5)
    path.write_text("example:\n  rate: fast\n")
    with pytest.raises(InputError, match=r"example\.rate is 'fast'"):
        params.read_some("example", Part, path)
    path.write_text("example:\n  other: 1\n")
    with pytest.raises(InputError, match=r"example\.rate is missing"):
        params.read_some("example", Part, path)
