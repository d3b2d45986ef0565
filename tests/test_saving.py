"""Tests of `saving`: a saved network loads anywhere, and equal ones have equal bytes."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logit

from helpers.files import ROOT
from helpers.networks import PUBLISHED, unsettle
from metastasis import models, saving
from metastasis.patches.symmetries import TestTime
from metastasis.train import training

PATCHES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)


PROGRAM = """
import sys, keras, numpy as np
sys.modules["metastasis"] = None  # to import it is an error
for path in sys.argv[2:]:
    model = keras.saving.load_model(path)
    np.save(f"{path}.npy", model.predict(np.load("patches.npy"), verbose=0))
assert sys.argv[1] in ("", keras.__version__)
"""


def load_elsewhere(folder: Path, paths: list[str], old_keras: Path | None = None) -> None:
    """Save what fresh processes without this package give, with another Keras if asked."""
    np.save(folder / "patches.npy", PATCHES)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if old_keras:
        environment["PYTHONPATH"] = str(old_keras)
    command = [sys.executable, "-c", PROGRAM, old_keras.name if old_keras else "", *paths]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]


def old_keras(version: str, folder: Path) -> Path:
    """Another release of Keras in a folder of its own; in CI it has to be had."""
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    target = folder / version
    options = ["--quiet", "--no-deps", "--python", sys.executable, "--target", str(target)]
    command = [uv, "pip", "install", *options, f"keras=={version}"]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"keras {version} can't be had ({getattr(error, 'stderr', error)})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return target


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, NDArray[np.float32]]]:
    """A folder with models of every kind of layer, and what each file's model gives."""
    folder, expected = tmp_path_factory.mktemp("saved"), {}

    def save(model: keras.Model, name: str) -> None:
        saving.save(model, folder / name)
        expected[name] = model.predict(PATCHES, verbose=0)

    for name in (*models.BUILDERS, *PUBLISHED):
        network = models.build(name, 96)
        unsettle(network)
        if name in PUBLISHED:  # their final models are averaged and turned as those below
            save(models.to_final([network], 1.7, "none"), f"{name}-none.keras")
            continue
        save(network, f"{name}-alone-none.keras")
        for tta in get_args(TestTime):
            save(models.to_final([network], 1.7, tta), f"{name}-{tta}.keras")
    networks = [models.build("compact", 96) for _ in range(2)]
    for seed, network in enumerate(networks):
        unsettle(network, seed)
    for tta in get_args(TestTime):
        save(models.to_final(networks, 1.7, tta), f"members-{tta}.keras")
    return folder, expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "ttas"),
    [("3.5.0", ["none"]), ("3.8.0", ["none", "d4"]), ("3.12.0", ["none", "d4"])],
)
def test_an_older_keras_gives_the_same_probabilities(
    version: str,
    ttas: list[TestTime],
    saved: tuple[Path, dict[str, NDArray[np.float32]]],
    tmp_path: Path,
) -> None:
    folder, expected = saved
    names = [name for name in expected if Path(name).stem.rpartition("-")[2] in ttas]
    load_elsewhere(folder, names, old_keras(version, tmp_path))
    for name in names:
        np.testing.assert_allclose(np.load(folder / f"{name}.npy"), expected[name], atol=1e-6)


def configs(path: Path) -> dict[str, dict[str, Any]]:
    """The config of each layer of a saved model, by name."""
    with zipfile.ZipFile(path) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    return {layer["name"]: layer["config"] for layer in layers}


def test_only_what_is_off_by_default_is_left_out(tmp_path: Path) -> None:
    inputs = keras.Input((4, 4, 3), name="in")
    outputs = keras.layers.BatchNormalization(name="plain")(inputs)
    outputs = keras.layers.BatchNormalization(name="chosen", center=False, scale=False)(outputs)
    outputs = keras.layers.Conv2D(2, 3, use_bias=False, name="conv")(outputs)
    saving.save(keras.Model(inputs, outputs), tmp_path / "model.keras")
    found = configs(tmp_path / "model.keras")
    assert not [name for name in found["plain"] if name.startswith("renorm")]
    # Numbers stay even where they are defaults, and False where the default is True.
    assert found["plain"]["epsilon"] == 1e-3
    assert found["plain"]["momentum"] == 0.99
    assert found["chosen"]["center"] is found["chosen"]["scale"] is False
    assert found["conv"]["use_bias"] is False
    assert found["conv"]["kernel_initializer"]["config"] == {}


def test_an_option_that_is_on_stays_whatever_older_keras_makes_of_it(tmp_path: Path) -> None:
    inputs = keras.Input((4, 4, 3), name="in")
    layer = keras.layers.BatchNormalization(renorm=True, name="norm")
    saving.save(keras.Model(inputs, layer(inputs)), tmp_path / "model.keras")
    assert configs(tmp_path / "model.keras")["norm"]["renorm"] is True
    assert configs(tmp_path / "model.keras")["norm"]["renorm_momentum"] == 0.99


@pytest.mark.medium
@pytest.mark.parametrize(("tta", "num_networks"), [("none", 1), ("d4", 1), ("d4", 2)])
def test_a_final_model_loads_without_this_package(
    tta: TestTime, num_networks: int, tmp_path: Path
) -> None:
    networks = [models.build("compact", 96) for _ in range(num_networks)]
    for seed, network in enumerate(networks):
        unsettle(network, seed)
    final = models.to_final(networks, 0.7, tta)
    saving.save(final, tmp_path / "model.keras")
    load_elsewhere(tmp_path, ["model.keras"])
    given = np.load(tmp_path / "model.keras.npy")
    np.testing.assert_allclose(given, final.predict(PATCHES, verbose=0), atol=1e-6)


@pytest.mark.medium
@pytest.mark.parametrize("name", ["compact", "p4m"])
def test_a_saved_network_loads_without_this_package(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = models.build(name, 96, training.parts(name))
    unsettle(network)
    saving.save(models.to_plain(network, name), tmp_path / "model.keras")
    load_elsewhere(tmp_path, ["model.keras"])
    found = np.load(tmp_path / "model.keras.npy")
    # A probability is as precise as its logit, which may be far from 0 with these weights.
    np.testing.assert_allclose(logit(found), logit(network(PATCHES)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("tta", "num_networks"), [("none", 1), ("d4", 1), ("none", 2)])
def test_equal_networks_are_saved_to_equal_bytes(
    tta: TestTime, num_networks: int, tmp_path: Path
) -> None:
    """Also when Keras's counters and object ids differ, as in another process."""
    first = [models.build("compact", 96) for _ in range(num_networks)]
    saving.save(models.to_final(first, 1.5, tta), tmp_path / "a.keras")
    keras.config.set_dtype_policy(keras.DTypePolicy("float32"))  # another object, another id
    twins = [models.build("compact", 96) for _ in range(num_networks)]
    for twin, network in zip(twins, first, strict=True):
        twin.set_weights(network.get_weights())
    saving.save(models.to_final(twins, 1.5, tta), tmp_path / "b.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "b.keras"]


def test_the_date_of_saving_is_not_written(tmp_path: Path) -> None:
    saving.save(models.build("compact", 32), tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        metadata = json.loads(archive.read("metadata.json"))
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert metadata["date_saved"] == "1980-01-01@00:00:00"


def test_another_weight_gives_other_bytes(tmp_path: Path) -> None:
    model = models.build("compact", 96)
    saving.save(model, tmp_path / "a.keras")
    weights = model.get_weights()
    weights[0][0, 0, 0, 0] += 1e-3
    model.set_weights(weights)
    saving.save(model, tmp_path / "b.keras")
    assert (tmp_path / "a.keras").read_bytes() != (tmp_path / "b.keras").read_bytes()
