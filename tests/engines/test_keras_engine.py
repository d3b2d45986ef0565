"""Tests of what Keras's engine says about files that it can't open."""

import json
import zipfile
from pathlib import Path

import keras
import pytest

from metastasis import models, saving
from metastasis.base.errors import InputError
from metastasis.engines import engines

MESSAGE = r"model\.keras can't be opened by Keras .*; expected a network of the stage `evaluate`"


def test_a_network_of_another_form_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=MESSAGE):
        engines.open_engine("keras", tmp_path / "model.keras")


def test_a_description_that_does_not_fit_the_weights_is_refused(tmp_path: Path) -> None:
    path, changed = tmp_path / "whole.keras", tmp_path / "model.keras"
    saving.save(models.build("compact", 32), path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                config = json.loads(content)
                del config["config"]["layers"][2:]
                content = json.dumps(config).encode()
            other.writestr(name, content)
    with pytest.raises(InputError, match=MESSAGE):
        engines.open_engine("keras", changed)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no network")
    with pytest.raises(InputError, match=MESSAGE):
        engines.open_engine("keras", tmp_path / "model.keras")
