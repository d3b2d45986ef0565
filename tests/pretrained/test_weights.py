"""Tests of `pretrained.weights`: the right file fills a network, and any other is refused."""

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from helpers.networks import unsettle
from metastasis import models, saving
from metastasis.base.errors import InputError
from metastasis.pretrained import weights

pytestmark = pytest.mark.medium


@pytest.fixture
def source() -> keras.Model:
    """A network with weights that no initialiser gives."""
    network = models.build("compact", 32)
    unsettle(network)
    return network


def save_published(network: keras.Model, path: Path) -> None:
    """Write weights in Keras 2's format, which keras.applications' files have."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0".encode() for weight in layer.weights]
            group.attrs["weight_names"] = names
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name.decode()] = value


def save_nested(network: keras.Model, path: Path) -> None:
    """Save a model of which the network is one layer, as many notebooks do."""
    inputs = keras.Input((32, 32, 3))
    saving.save(keras.Model(inputs, keras.layers.Dense(24)(network(inputs))), path)


SAVERS = {
    "network.keras": saving.save,
    "network.weights.h5": lambda network, path: network.save_weights(path),
    "published.h5": save_published,
    "nested.keras": save_nested,
}


@pytest.mark.parametrize("name", SAVERS)
def test_all_layers_but_the_head_have_the_files_weights(
    tmp_path: Path, source: keras.Model, name: str
) -> None:
    SAVERS[name](source, tmp_path / name)
    network = models.build("compact", 32)
    head = network.get_layer("logit").get_weights()
    weights.fill(network, tmp_path / name)
    for layer in network.layers:
        expected = head if layer.name == "logit" else source.get_layer(layer.name).get_weights()
        for mine, theirs in zip(layer.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_whole_model_of_keras_2_is_read_too(tmp_path: Path, source: keras.Model) -> None:
    source.save(tmp_path / "old.h5")
    network = models.build("compact", 32)
    weights.fill(network, tmp_path / "old.h5")
    np.testing.assert_array_equal(
        network.get_layer("conv1").get_weights()[0], source.get_layer("conv1").get_weights()[0]
    )


def test_another_networks_weights_are_refused_with_the_first_layer_that_differs(
    tmp_path: Path,
) -> None:
    saving.save(models.build("baseline", 32), tmp_path / "other.keras")
    network = models.build("compact", 32)
    before = network.get_weights()
    with pytest.raises(InputError, match=r"no weights of compact: .* layer conv1 has .* instead"):
        weights.fill(network, tmp_path / "other.keras")
    for mine, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_weights_for_grey_patches_are_refused(tmp_path: Path) -> None:
    inputs = keras.Input((32, 32, 1))
    grey = keras.Model(
        inputs, keras.layers.Conv2D(32, 3, use_bias=False, padding="same", name="conv1")(inputs)
    )
    saving.save(grey, tmp_path / "grey.keras")
    with pytest.raises(InputError, match=r"\(3, 3, 1, 32\).* instead of .*\(3, 3, 3, 32\)"):
        weights.fill(models.build("compact", 32), tmp_path / "grey.keras")


@pytest.mark.parametrize("name", SAVERS)
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_truncated_file_is_refused(
    tmp_path: Path, source: keras.Model, name: str, share: float
) -> None:
    path = tmp_path / name
    SAVERS[name](source, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"can't be read as weights"):
        weights.fill(models.build("compact", 32), path)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.h5").write_bytes(np.random.default_rng(0).bytes(10_000))
    with pytest.raises(InputError, match=r"noise\.h5 can't be read as weights"):
        weights.read(tmp_path / "noise.h5")


def test_a_flipped_byte_in_a_keras_file_is_noticed(tmp_path: Path, source: keras.Model) -> None:
    path = tmp_path / "network.keras"
    saving.save(source, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"can't be read as weights \(Bad CRC-32"):
        weights.read(path)


def test_other_hdf5_files_and_zips_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "patches.h5", "w") as file:
        file["x"] = np.zeros((2, 96, 96, 3), np.uint8)
    with pytest.raises(InputError, match=r"patches\.h5 holds no weights"):
        weights.read(tmp_path / "patches.h5")


def test_a_missing_file_is_told_with_the_way_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.h5 is missing: `make weights`"):
        weights.read(tmp_path / "none.h5")


def save_elsewhere(folder: Path, how: str) -> Path:
    """Write a file whose array lies in another file, of which HDF5 knows several ways."""
    (folder / "secret").write_bytes(bytes(64))
    path = folder / "weights.h5"
    with h5py.File(folder / "other.h5", "w") as other:
        other["kernel"] = np.zeros(16, np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        group = file.create_group("conv1")
        group.attrs["weight_names"] = [b"kernel"]
        if how == "external":
            group.create_dataset(
                "kernel", (16,), np.float32, external=[(str(folder / "secret"), 0, 64)]
            )
        elif how == "link":
            group["kernel"] = h5py.ExternalLink(str(folder / "other.h5"), "kernel")
        elif how == "soft":
            file["there"] = np.zeros(16, np.float32)
            group["kernel"] = h5py.SoftLink("/there")
        else:
            layout = h5py.VirtualLayout((16,), np.float32)
            layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "kernel", (16,))
            group.create_virtual_dataset("kernel", layout)
    return path


@pytest.mark.parametrize("how", ["external", "link", "soft", "virtual"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_an_array_that_lies_in_another_file_is_refused(
    tmp_path: Path, how: str, is_packed: bool
) -> None:
    path = save_elsewhere(tmp_path, how)
    if is_packed:
        with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
            archive.write(path, "model.weights.h5")
        path = tmp_path / "model.keras"
    with pytest.raises(InputError, match=r"can't be read as weights .*kernel is no"):
        weights.read(path)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_compressed_archive_is_refused(
    tmp_path: Path, source: keras.Model, packing: int
) -> None:
    source.save_weights(tmp_path / "model.weights.h5")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.keras can't be read as weights"):
        weights.read(path)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file.attrs["layer_names"] = [1, 2]
    with pytest.raises(InputError, match=r"odd\.h5 can't be read as weights"):
        weights.read(tmp_path / "odd.h5")


@pytest.mark.parametrize(
    "place", ["layers/x/vars", "layers/x", "conv1", "model_weights", "named type"]
)
def test_an_array_in_the_place_of_a_group_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "odd.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        if place == "named type":
            file["conv1"] = np.dtype("f4")
        else:
            file[place] = np.zeros(3, np.float32)
            file[place].attrs["name"] = "x"
            file[place].attrs["weight_names"] = [b"kernel"]
        if place.startswith("layers"):
            del file.attrs["layer_names"]
    with pytest.raises(InputError, match=r"odd\.h5 (can't be read as|holds no) weights"):
        weights.read(path)


@pytest.mark.parametrize("way", ["names", "links"])
def test_an_array_that_is_named_many_times_counts_as_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        if way == "names":
            file.attrs["layer_names"] = [b"conv1"]
            group = file.create_group("conv1")
            group["k"] = np.zeros(1_000, np.float32)
            group.attrs["weight_names"] = [b"k"] * 3
        else:
            kernel = file.create_dataset("kernel", data=np.zeros(1_000, np.float32))
            for number in range(3):
                group = file.create_group(f"layers/{number}/vars")
                group.attrs["name"] = f"conv{number}"
                group["0"] = kernel
    monkeypatch.setattr(weights, "MAX_BYTES", 10_000)
    with pytest.raises(InputError, match="would unpack to 12,000 bytes"):
        weights.read(path)


def test_a_small_file_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 stores only what was written, here nothing of a terabyte; zip packs zeros."""
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        group = file.create_group("conv1")
        group.attrs["weight_names"] = [b"kernel", b"bias"]
        for name in ("kernel", "bias"):
            group.create_dataset(name, (2**37,), np.float32, chunks=(2**16,))
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match=r"would unpack to 1,099,511,627,776 bytes"):
        weights.read(path)
    with zipfile.ZipFile(tmp_path / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(10_001))
    monkeypatch.setattr(weights, "MAX_BYTES", 10_000)
    with pytest.raises(InputError, match=r"would unpack to 10,001 bytes, more than 10,000"):
        weights.read(tmp_path / "model.keras")
