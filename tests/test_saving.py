"""Tests of `metastasis.saving`: a saved network loads anywhere, and equal ones have equal bytes."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import unsettle

from metastasis import models, saving, training

PATCHES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)


@pytest.mark.medium
@pytest.mark.parametrize("name", ["compact", "p4m"])
def test_a_saved_network_loads_without_this_package(name: str, tmp_path: Path) -> None:
    network = models.build(name, 96, training.PARTS[name])
    unsettle(network)
    saving.save(models.to_plain(network, name), tmp_path / "model.keras")
    np.save(tmp_path / "patches.npy", PATCHES)
    program = (
        "import sys, keras, numpy as np\n"
        "sys.modules['metastasis'] = None\n"  # to import it is an error
        "model = keras.saving.load_model('model.keras')\n"
        "np.save('outputs.npy', model(np.load('patches.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), network(PATCHES), rtol=1e-5)


def test_equal_networks_are_saved_to_equal_bytes(tmp_path: Path) -> None:
    """Also when Keras's counters and object ids differ, as in another process."""
    model = models.build("compact", 96)
    saving.save(model, tmp_path / "a.keras")
    keras.config.set_dtype_policy(keras.DTypePolicy("float32"))  # another object, another id
    twin = models.build("compact", 96)
    twin.set_weights(model.get_weights())
    saving.save(twin, tmp_path / "b.keras")
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
