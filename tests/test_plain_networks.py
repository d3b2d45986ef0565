"""Tests of `plain_networks`: every network of the project passes, and nothing else is opened."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, get_args

import h5py
import keras
import pytest

from metastasis import models, plain_networks, saving
from metastasis.base.errors import InputError
from metastasis.patches import symmetries
from metastasis.pretrained import weights
from metastasis.train.train_params import Network


@pytest.mark.parametrize("name", get_args(Network))
def test_every_network_is_plain_in_an_ensemble_with_flips_and_turns(
    tmp_path: Path, name: str
) -> None:
    """Such a model holds every layer that a final model of this network can hold."""
    path = tmp_path / "model.keras"
    saving.save(models.to_final([models.build(name, 32)] * 2, 1.5, "d4"), path)
    plain_networks.require(path)


@pytest.mark.parametrize("tta", get_args(symmetries.TestTime))
@pytest.mark.parametrize("number", [1, 2])
def test_every_form_of_the_final_model_is_plain(
    tmp_path: Path, number: int, tta: symmetries.TestTime
) -> None:
    path = tmp_path / "model.keras"
    saving.save(models.to_final([models.build("compact", 32)] * number, 1.5, tta), path)
    plain_networks.require(path)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the archive of a plain network holds."""
    path = tmp_path_factory.mktemp("plain") / "model.keras"
    saving.save(models.build("compact", 32), path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, items: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in items.items():
            archive.writestr(name, content)
    return path


def with_layer(items: dict[str, bytes], layer: dict[str, Any]) -> dict[str, bytes]:
    """Put another layer into a network's description."""
    config = json.loads(items["config.json"])
    config["config"]["layers"].append(layer)
    return items | {"config.json": json.dumps(config).encode()}


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ({"class_name": "Lambda", "module": "keras.layers"}, "keras.layers.Lambda"),
        ({"class_name": "TFSMLayer", "module": "keras.layers"}, "keras.layers.TFSMLayer"),
        ({"class_name": "StringLookup", "module": "keras.layers"}, "keras.layers.StringLookup"),
        ({"class_name": "__lambda__", "config": "4wA="}, "__lambda__"),
        (
            {"class_name": "function", "module": "builtins", "config": "get_file"},
            "builtins.function",
        ),
        ({"class_name": "Popen", "module": "subprocess", "config": {}}, "subprocess.Popen"),
        ({"class_name": "Dense", "module": "keras.utils"}, "keras.utils.Dense"),
        (
            {"class_name": "Dense", "module": "keras.layers", "registered_name": "mine>Dense"},
            "keras.layers.mine>Dense",
        ),
        ({"config": {"inner": [{"class_name": "Lambda"}]}}, "Lambda"),
    ],
)
def test_a_layer_of_another_kind_is_named_and_not_opened(
    tmp_path: Path, items: dict[str, bytes], layer: dict[str, Any], name: str
) -> None:
    path = pack(tmp_path / "model.keras", with_layer(items, layer))
    with pytest.raises(InputError, match=rf"model\.keras holds {name}, which no network of this"):
        plain_networks.require(path)


@pytest.mark.parametrize("name", [["Dense"], {"class_name": "Dense"}, 3, None])
def test_a_class_whose_name_is_no_text_is_refused(
    tmp_path: Path, items: dict[str, bytes], name: object
) -> None:
    layer = {"class_name": name, "module": "keras.layers"}
    path = pack(tmp_path / "model.keras", with_layer(items, layer))
    with pytest.raises(InputError, match=r"is no readable \.keras archive|holds keras\.layers\."):
        plain_networks.require(path)


def test_a_truncated_archive_is_unreadable(tmp_path: Path, items: dict[str, bytes]) -> None:
    path = pack(tmp_path / "model.keras", items)
    whole = path.read_bytes()
    for share in (0, 0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"model\.keras is no readable \.keras archive"):
            plain_networks.require(path)


def test_an_archive_with_another_member_is_refused(tmp_path: Path, items: dict[str, bytes]) -> None:
    path = pack(tmp_path / "model.keras", items | {"assets/vocabulary.txt": b"a"})
    with pytest.raises(InputError, match=r"it also holds assets/vocabulary\.txt"):
        plain_networks.require(path)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_an_archive_with_two_members_of_a_name_is_refused(
    tmp_path: Path, items: dict[str, bytes], name: str
) -> None:
    path = pack(tmp_path / "model.keras", items)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(name, items[name])
    with pytest.raises(InputError, match=rf"it holds {name} more than once"):
        plain_networks.require(path)


@pytest.mark.parametrize("tta", get_args(symmetries.TestTime))
def test_a_network_for_patches_of_another_size_is_refused(tmp_path: Path, tta: str) -> None:
    path = tmp_path / "model.keras"
    networks = [models.build("compact", 32)] * 2
    saving.save(models.to_final(networks, 1.5, "d4" if tta == "d4" else "none"), path)
    plain_networks.require(path, 32)
    message = r"takes \[None, 32, 32, 3\]; expected \[None, 64, 64, 3\]"
    with pytest.raises(InputError, match=message):
        plain_networks.require(path, 64)


@pytest.mark.parametrize("config", [[], {}, {"config": 3}, {"config": {"layers": [3]}}])
def test_a_network_without_a_known_input_is_refused(
    tmp_path: Path, items: dict[str, bytes], config: object
) -> None:
    other = items | {"config.json": json.dumps(config).encode()}
    path = pack(tmp_path / "model.keras", other)
    with pytest.raises(InputError, match="takes no input that is known; expected"):
        plain_networks.require(path, 32)


def test_a_description_that_unpacks_without_end_is_refused_before_it_does(
    tmp_path: Path, items: dict[str, bytes]
) -> None:
    blank = b" " * (plain_networks.MAX_CONFIG_BYTES + 1)
    path = pack(tmp_path / "m.keras", items | {"config.json": blank}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 3_000_000
    with pytest.raises(InputError, match=r"config\.json would unpack to 33,554,433 bytes"):
        plain_networks.require(path)


def test_weights_that_unpack_without_end_are_refused_before_they_do(
    tmp_path: Path, items: dict[str, bytes]
) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        shape = (weights.MAX_BYTES // 4 + 1,)
        file.create_dataset("layers/conv/vars/0", shape, "f4", chunks=(2**20,), compression="gzip")
    bomb = items | {"model.weights.h5": content.getvalue()}
    path = pack(tmp_path / "model.keras", bomb)
    assert path.stat().st_size < 10_000_000
    with pytest.raises(InputError, match=r"can't be read as weights \(it would unpack to 2,147"):
        plain_networks.require(path)


def test_keras_itself_would_open_what_passes(tmp_path: Path, items: dict[str, bytes]) -> None:
    path = pack(tmp_path / "model.keras", items)
    plain_networks.require(path)
    assert keras.saving.load_model(path).input_shape == (None, 32, 32, 3)
