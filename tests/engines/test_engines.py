"""Tests that every engine gives the same probabilities, and refuses what it can't read."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import expit

from helpers.networks import unsettle
from metastasis import models, saving
from metastasis.base.errors import InputError
from metastasis.engines import converting, engines, extras, keras_exports
from metastasis.engines.engines import EngineName
from metastasis.pretrained import architectures

SIZE, NUM = 32, 19  # no multiple of a batch
ALLOWED = 1e-4  # of a probability
EXPORTED: list[tuple[EngineName, str]] = [("openvino", "model.xml"), ("onnx", "model.onnx")]
Networks = Callable[[str], Path]


def noise(num: int = NUM, size: int = SIZE, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (num, size, size, 3), np.uint8)


def final(name: str, num: int, tta: str) -> keras.Model:
    """A final model of `num` members with weights that look trained."""
    keras.utils.set_random_seed(0)
    networks = [models.build(name, SIZE) for _ in range(num)]
    for seed, network in enumerate(networks):
        if name in architectures.ARCHITECTURES:
            _adapt(network, noise(seed=seed))
        else:
            unsettle(network, seed)
        _centre(network)
    return models.to_final(networks, 1.3, "d4" if tta == "d4" else "none")


def _adapt(network: keras.Model, patches: NDArray[np.uint8]) -> None:
    """Take the patches' own statistics: with others, such networks give one value for all."""
    for layer in network._flatten_layers():  # noqa: SLF001  # Keras lists nested layers nowhere else
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # one pass is enough
    network(tf.constant(patches, tf.float32), training=True)


def _centre(network: keras.Model) -> None:
    """Shift and scale the logits, so that probabilities are neither all 0 nor all 1."""
    logits = models.to_logits(network).predict_on_batch(noise().astype(np.float32))
    kernel, bias = network.get_layer("logit").get_weights()
    scale = max(float(logits.std()), 1e-3)
    network.get_layer("logit").set_weights([kernel / scale, (bias - logits.mean()) / scale])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a final model of `compact`, and its exports."""
    folder = tmp_path_factory.mktemp("exports")
    saving.save(final("compact", 1, "d4"), folder / "model.keras")
    for _, name in EXPORTED:
        converting.convert(folder / "model.keras", folder / name)
    return folder


@pytest.mark.parametrize(
    ("name", "num", "tta"),
    [
        ("compact", 1, "none"),
        *(
            pytest.param(*case, marks=pytest.mark.medium)
            for case in (
                ("compact", 2, "d4"),
                ("p4m", 1, "d4"),
                ("baseline", 2, "none"),
                ("densenet121-x2", 1, "none"),
                ("efficientnetv2b0", 1, "none"),
                ("efficientnet-lite0", 1, "none"),
            )
        ),
    ],
)
def test_an_engine_gives_the_probabilities_of_keras(
    tmp_path: Path, name: str, num: int, tta: str
) -> None:
    path = tmp_path / "model.keras"
    saving.save(final(name, num, tta), path)
    patches = noise()
    expected = expit(engines.open_engine("keras", path).logits(patches).astype(np.float64))
    assert np.ptp(expected) > 50 * ALLOWED
    for engine, file in EXPORTED:
        converting.convert(path, tmp_path / file)
        opened = engines.open_engine(engine, tmp_path / file, precision="float32")
        found = expit(opened.logits(patches).astype(np.float64))
        assert np.abs(found - expected).max() <= ALLOWED, engine


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_a_logit_without_a_bias_is_found(tmp_path: Path, name: EngineName) -> None:
    """Converters drop an addition of 0."""
    network = models.to_final([models.build("compact", SIZE)], 1.0, "none")
    assert not network.get_layer("logit").get_weights()[1].any()
    saving.save(network, tmp_path / "model.keras")
    expected = engines.open_engine("keras", tmp_path / "model.keras").logits(noise())
    found = engines.open_engine(name, tmp_path / "model.keras", precision="float32").logits(noise())
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("name", "file"), EXPORTED)
@pytest.mark.parametrize("num", [0, 1, 8, 40])
def test_a_patch_has_the_same_logit_in_any_company(
    folder: Path, name: EngineName, file: str, num: int
) -> None:
    engine = engines.open_engine(name, folder / file, precision="float32")
    patches = noise(40)
    alone = np.array([engine.logits(patch[None])[0] for patch in patches[:num]], np.float32)
    assert engine.logits(patches[:num]) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize(("name", "file"), EXPORTED)
def test_turned_views_of_patches_are_scored_as_they_look(
    folder: Path, name: EngineName, file: str
) -> None:
    engine = engines.open_engine(name, folder / file, precision="float32")
    view = noise()[:, ::-1].transpose(0, 2, 1, 3)
    assert np.array_equal(engine.logits(view), engine.logits(np.ascontiguousarray(view)))


@pytest.mark.parametrize(("name", "file"), EXPORTED)
def test_a_keras_file_is_converted_when_it_is_opened(
    folder: Path, name: EngineName, file: str
) -> None:
    converted = engines.open_engine(name, folder / "model.keras", precision="float32")
    exported = engines.open_engine(name, folder / file, precision="float32")
    assert np.array_equal(converted.logits(noise()), exported.logits(noise()))


def test_bfloat16_is_another_precision_and_close(folder: Path) -> None:
    (openvino,) = extras.require("openvino", ["openvino"])
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    found = [
        engines.open_engine("openvino", folder / "model.xml", precision=precision).logits(noise())
        for precision in ("float32", "bfloat16")
    ]
    difference = np.abs(expit(found[0]) - expit(found[1])).max()
    assert 1e-6 < difference < 0.05


@pytest.mark.parametrize(("name", "file"), EXPORTED)
def test_the_folder_of_an_export_stands_for_its_network(
    folder: Path, tmp_path: Path, name: EngineName, file: str
) -> None:
    for written in ("model.xml", "model.bin") if name == "openvino" else (file,):
        shutil.copy(folder / written, tmp_path)
    opened = engines.open_network(tmp_path)
    assert np.array_equal(
        opened.logits(noise()), engines.open_engine(name, folder / file).logits(noise())
    )


def test_a_folder_of_several_networks_or_none_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 networks \(model.keras, model.onnx, model.xml\)"):
        engines.open_network(folder)
    with pytest.raises(InputError, match=r"0 networks \(none\)"):
        engines.open_network(tmp_path)


@pytest.mark.parametrize("ending", [".h5", ".bin", ""])
def test_a_file_of_another_ending_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match=r"unknown ending.*\.keras, \.xml, \.onnx"):
        engines.open_network(path)


def test_what_is_missing_unknown_or_of_another_engine_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.xml is missing"):
        engines.open_network(folder / "gone.xml")
    with pytest.raises(InputError, match="engine 'torch' is unknown; expected keras, openvino"):
        engines.open_engine("torch", folder / "model.keras")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"ending in \.keras\. Choose the engine openvino"):
        engines.open_engine("keras", folder / "model.xml")
    with pytest.raises(InputError, match=r"ending in \.keras or \.onnx\. Choose the engine op"):
        engines.open_engine("onnx", folder / "model.xml")


@pytest.mark.parametrize(("name", "file"), EXPORTED)
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_truncated_export_is_refused(
    folder: Path, tmp_path: Path, name: EngineName, file: str, share: float
) -> None:
    for path in folder.glob("model.*"):
        shutil.copy(path, tmp_path)
    content = (folder / file).read_bytes()
    (tmp_path / file).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"can't be read as .*Export the network again"):
        engines.open_engine(name, tmp_path / file)


@pytest.mark.parametrize("kept", [None, 0, 1000])
def test_an_export_without_all_its_weights_is_refused(
    folder: Path, tmp_path: Path, kept: int | None
) -> None:
    shutil.copy(folder / "model.xml", tmp_path)
    if kept is not None:
        (tmp_path / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"can't be read as OpenVINO's format.*file of weights"):
        engines.open_engine("openvino", tmp_path / "model.xml")


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # tf2onnx asks for it
@pytest.mark.parametrize(("name", "file"), EXPORTED)
def test_an_export_of_another_projects_network_is_refused(
    tmp_path: Path, name: EngineName, file: str
) -> None:
    inputs = keras.Input((7,), name="numbers")
    other = keras.Model(inputs, keras.layers.Dense(2, name="classes")(inputs))
    other(np.zeros((1, 7)))  # Keras exports nothing that was never called
    other.export(str(tmp_path / file), format=name, verbose=False)
    with pytest.raises(InputError, match=r"takes numbers \(any, 7\) .*; expected patch \(any, si"):
        engines.open_engine(name, tmp_path / file)
    other.save(tmp_path / "other.keras")
    with pytest.raises(InputError, match="has no layers logit and probability"):
        engines.open_engine(name, tmp_path / "other.keras")


@pytest.mark.parametrize(
    ("name", "library", "told", "extra"),
    [
        ("openvino", "openvino", "OpenVINO", "openvino"),
        ("onnx", "onnxruntime", "ONNX Runtime", "onnx"),
    ],
)
def test_a_missing_extra_is_named_with_how_to_install_it(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: EngineName,
    library: str,
    told: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    message = rf"{told} isn't installed: run `make setup EXTRA={extra}`"
    with pytest.raises(InputError, match=message):
        engines.open_engine(name, folder / "model.keras")


def test_a_missing_exporter_is_named_likewise(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for in the process that converts."""
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    message = "tf2onnx isn't installed: run `make setup EXTRA=onnx`"
    with pytest.raises(InputError, match=message):
        keras_exports.write(folder / "model.keras", tmp_path / "model.onnx")


def test_nothing_is_sent_to_the_makers_of_a_library() -> None:
    extras.require("openvino", ["openvino"])
    with pytest.raises(ImportError):
        __import__(extras.STATISTICS)
