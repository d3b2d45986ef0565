"""Tests of `model_folder`: a model is read only if all of it is there and as it was written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import keras
import pytest

from helpers.model_folders import described, write_export, write_model
from metastasis import model_folder
from metastasis.base.errors import InputError
from metastasis.engines.engines import EngineName
from metastasis.results import card as cards


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder, which no test changes."""
    return write_model(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "model")


def test_a_copied_folder_is_read(folder: Path) -> None:
    found = model_folder.read(folder)
    assert found.folder == folder
    for engine in get_args(EngineName):
        assert found.network_for(engine).path == folder / "model.keras"
    assert found.exports() == {}
    assert found.decision.threshold == 0.42
    assert found.card.input_size == 32


def test_other_files_may_lie_beside_the_model(folder: Path) -> None:
    (folder / "members").mkdir()
    (folder / "notes.txt").write_text("mine")
    assert model_folder.read(folder).card.network == "compact"


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.keras", "decision.json", "card.json"])
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (change_a_byte, "It was changed, damaged or exchanged|was changed or damaged since|is not"),
        (
            Path.unlink,
            r"has no {name}; expected model\.keras, decision\.json and card\.json of one",
        ),
    ],
)
def test_a_file_that_is_changed_or_missing_is_named(
    folder: Path, name: str, harm: Callable[[Path], None], message: str
) -> None:
    harm(folder / name)
    with pytest.raises(InputError, match=message.format(name=name)) as raised:
        model_folder.read(folder)
    assert name in str(raised.value)


def test_a_file_of_another_run_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", size=48)
    shutil.copyfile(other / "model.keras", folder / "model.keras")
    with pytest.raises(InputError, match=r"model\.keras isn't the file that card\.json describes"):
        model_folder.read(folder)


@pytest.mark.parametrize(("name", "word"), [("nowhere", "missing"), ("file", "a file")])
def test_a_path_that_is_no_folder_is_named(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"{name} is {word}; expected a folder with model\.keras"):
        model_folder.read(tmp_path / name)


def test_a_network_that_carries_code_is_refused_although_the_card_fits(
    made: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    shutil.copyfile(made / "decision.json", bad / "decision.json")
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Lambda(lambda batch: batch)(inputs)
    keras.Model(inputs, outputs).save(bad / "model.keras")
    cards.write(bad / "card.json", described(bad))
    with pytest.raises(InputError, match=r"model\.keras holds .*keras\.layers\.Lambda.* run code"):
        model_folder.read(bad)


def test_a_network_that_takes_other_patches_than_the_card_says_is_refused(
    made: Path, tmp_path: Path
) -> None:
    bad = shutil.copytree(made, tmp_path / "bad")
    cards.write(bad / "card.json", described(bad, size=48))
    with pytest.raises(
        InputError, match=r"takes \[None, 32, 32, 3\]; expected \[None, 48, 48, 3\]"
    ):
        model_folder.read(bad)


def test_an_export_is_for_its_engine_alone(folder: Path) -> None:
    export = write_export(folder, "openvino", {"model.xml": b"graph", "model.bin": b"weights"})
    found = model_folder.read(folder)
    network = found.network_for("openvino")
    assert (network.path, network.bits) == (export / "model.xml", 32)
    assert found.exports() == {"openvino": network}
    for engine in ("keras", "onnx"):
        own = found.network_for(engine)
        assert (own.path, own.bits) == (folder / "model.keras", None)
    assert network.digest != own.digest


def test_another_export_has_another_digest(folder: Path) -> None:
    def digest(content: bytes) -> str:
        write_export(folder, "onnx", {"model.onnx": content})
        return model_folder.read(folder).network_for("onnx").digest

    assert digest(b"one") == digest(b"one") != digest(b"another")


def test_an_export_of_another_network_counts_as_none(folder: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", size=48)
    write_export(other, "onnx", {"model.onnx": b"graph"})
    shutil.copytree(other / "exported", folder / "exported")
    assert model_folder.read(other).exports()
    assert model_folder.read(folder).exports() == {}


def test_an_export_without_its_note_counts_as_none(folder: Path) -> None:
    (write_export(folder, "onnx", {"model.onnx": b"graph"}) / "export.json").unlink()
    assert model_folder.read(folder).exports() == {}


def test_the_engine_of_the_models_own_network_has_no_export(folder: Path) -> None:
    """Its file is checked for code; an export's files are not."""
    write_export(folder, "keras", {"model.keras": b"anything"})
    assert model_folder.read(folder).network_for("keras").path == folder / "model.keras"


@pytest.mark.parametrize("name", ["model.keras", "other.xml"])
def test_an_export_of_other_files_than_its_engine_reads_is_refused(folder: Path, name: str) -> None:
    write_export(folder, "openvino", {name: b"anything"})
    with pytest.raises(InputError, match=r"model\.xml isn't the file that export\.json describes"):
        model_folder.read(folder).network_for("openvino")


@pytest.mark.parametrize("files", [(), ("model.xml",)])
def test_a_file_that_the_note_says_nothing_of_is_refused(
    folder: Path, files: tuple[str, ...]
) -> None:
    export = write_export(folder, "openvino", dict.fromkeys(files, b"noted"))
    for name in ("model.xml", "model.bin"):
        (export / name).write_bytes(b"noted")
    with pytest.raises(InputError, match=r"isn't the file that export\.json .* expected no such"):
        model_folder.read(folder).network_for("openvino")


def test_a_note_that_cannot_be_read_says_what_to_do(folder: Path) -> None:
    (write_export(folder, "onnx", {"model.onnx": b"graph"}) / "export.json").write_text("{}")
    with pytest.raises(InputError, match=r"export\.json is not in .*Or delete .*/onnx: the"):
        model_folder.read(folder).exports()


@pytest.mark.parametrize(
    ("harm", "message"),
    [(change_a_byte, "its SHA-256 is .*It was changed"), (Path.unlink, "it is missing")],
)
def test_a_file_of_an_export_that_is_changed_or_missing_is_named(
    folder: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(write_export(folder, "openvino", {"model.xml": b"a", "model.bin": b"b"}) / "model.bin")
    found = model_folder.read(folder)
    assert found.network_for("onnx").bits is None
    with pytest.raises(
        InputError, match=rf"model\.bin isn't the file that export\.json.*{message}"
    ):
        found.network_for("openvino")
