"""Tests of `features.extracting`: each kind of file gives its features, or a message that helps."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from numpy.typing import NDArray

from helpers.files import assert_same_bytes
from helpers.networks import unsettle
from helpers.onnx_files import HALF, Size, failing_network, mean_network
from helpers.patches import write_shards
from metastasis import feature_files, models, saving
from metastasis.base.errors import InputError
from metastasis.features import extracting, keras_networks, networks
from metastasis.patches import shards

NUM, SIZE = 70, 32  # more than a batch

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of 70 patches of noise, the last 5 unlabelled, with the index in disorder."""
    folder = tmp_path_factory.mktemp("crops")
    write_shards(folder, NUM, size=SIZE, step=20)
    index = shards.read(folder).index
    index.loc[index.index >= NUM - 5, "pool"] = "unlabelled"
    shards.write_index(folder, index.sample(frac=1, random_state=0))
    return folder


def patches_of(crops: Path) -> NDArray[np.uint8]:
    """All patches, in the order of their numbers."""
    read = shards.read(crops)
    index = read.index.sort_values(shards.PLACE)
    return read.take(shards.places(index))


def extract(file: Path, crops: Path, name: str = "mine") -> feature_files.Features:
    folder = file.parent / "features" / name
    extracting.extract(file, crops, folder)
    return feature_files.read(folder)


def model(*shape: int | None, head: Callable[[Any], Any] | None = None) -> keras.Model:
    """A model that pools its input and gives 4 features, or what `head` makes of the input."""
    inputs = keras.Input(shape)
    pooled = layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(inputs))
    outputs = layers.Dense(4)(pooled) if head is None else head(inputs)
    return keras.Model(inputs, outputs)


def test_a_whole_model_gives_its_output_for_every_patch_in_the_order_of_the_shards(
    crops: Path, tmp_path: Path
) -> None:
    network = model(SIZE, SIZE, 3)
    network.save(tmp_path / "any.keras")
    found = extract(tmp_path / "any.keras", crops)
    assert found.matrix.dtype == np.float16
    assert list(found.index["id"]) == [f"p{number}" for number in range(NUM)]
    assert list(found.index["pool"]) == ["labelled"] * (NUM - 5) + ["unlabelled"] * 5
    expected = network(patches_of(crops).astype(np.float32)).numpy()
    assert found.matrix == pytest.approx(expected, abs=1e-3)
    ids = pd.Series(["p3", "p64", "p0"])
    assert found.of(ids) == pytest.approx(expected[[3, 64, 0]], abs=1e-3)


def test_the_same_file_gives_the_same_bytes(crops: Path, tmp_path: Path) -> None:
    model(SIZE, SIZE, 3).save(tmp_path / "any.keras")
    for name in ("once", "twice"):
        extract(tmp_path / "any.keras", crops, name)
    features = tmp_path / "features"
    assert_same_bytes(features / "once", features / "twice", num_files=2)


def test_patches_are_resized_to_a_model_of_another_size_and_the_output_says_so(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def corner(tensor: Any) -> Any:  # noqa: ANN401  # of Keras
        return layers.Flatten()(layers.Cropping2D(((0, 15), (0, 15)))(tensor))

    model(16, 16, 3, head=corner).save(tmp_path / "small.keras")
    found = extract(tmp_path / "small.keras", crops)
    means = patches_of(crops)[:, :2, :2].mean(axis=(1, 2))
    assert found.matrix == pytest.approx(means, abs=1)
    assert "resized from 32x32 to the network's 16x16 pixels" in capsys.readouterr().out


def test_a_model_of_any_size_takes_patches_as_they_are(crops: Path, tmp_path: Path) -> None:
    model(None, None, 3).save(tmp_path / "any.keras")
    assert keras_networks.whole(tmp_path / "any.keras", SIZE).height == SIZE
    assert len(extract(tmp_path / "any.keras", crops).matrix) == NUM


def test_an_own_network_gives_the_input_of_its_logit(crops: Path, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = models.build("compact", SIZE)
    unsettle(network)
    saving.save(network, tmp_path / "network.keras")
    features = extract(tmp_path / "network.keras", crops).matrix.astype(np.float32)
    kernel, bias = network.get_layer("logit").get_weights()
    logits = models.to_logits(network)(patches_of(crops).astype(np.float32)).numpy()
    rounding = 2**-11 * (np.abs(features) @ np.abs(kernel)) + 1e-5  # of float16, and of the sums
    assert np.ptp(logits) > 10 * rounding.max()
    assert (np.abs(features @ kernel + bias - logits) <= rounding).all()


@pytest.mark.medium
def test_a_published_network_gives_the_mean_of_its_last_feature_map(
    crops: Path, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    published = keras.applications.DenseNet121(include_top=False, weights=None)
    published.save(tmp_path / "published.keras")
    found = extract(tmp_path / "published.keras", crops, "densenet121")
    given = keras.applications.densenet.preprocess_input(patches_of(crops).astype(np.float32))
    expected = published(given).numpy().mean(axis=(1, 2))
    assert expected.std(axis=0).max() > 1e-3
    assert found.matrix == pytest.approx(expected, abs=2e-3)


def flat(tensor: Any) -> Any:  # noqa: ANN401  # of Keras
    return layers.Dense(1)(layers.Flatten()(tensor))


@pytest.mark.parametrize(
    ("channels", "head", "message"),
    [
        (1, None, r"takes \[\(None, 32, 32, 1\)\]; expected one input of \(n, height"),
        (3, layers.ReLU(), r"gives \[\(None, 32, 32, 3\)\]; expected features of \(n, d\)"),
        (3, flat, r"gives \[\(None, 1\)\]; expected features of \(n, d\) with d above 1"),
    ],
)
def test_a_model_of_another_form_is_refused(
    crops: Path,
    tmp_path: Path,
    channels: int,
    head: Callable[[Any], Any] | None,
    message: str,
) -> None:
    model(SIZE, SIZE, channels, head=head).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match=message):
        extract(tmp_path / "other.keras", crops)
    assert not (tmp_path / "features/mine").exists()


def test_the_calibrated_model_that_averages_over_turns_is_refused_with_advice(
    crops: Path, tmp_path: Path
) -> None:
    final = models.to_final([models.build("compact", SIZE)], 1.0, "d4")
    saving.save(final, tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"Of this project's own models, name models/members/1-0"):
        extract(tmp_path / "model.keras", crops)


@pytest.mark.parametrize("name", ["mine", "densenet121"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", bytes(range(256)) * 9, None])
def test_a_keras_file_that_is_damaged_is_named(
    crops: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / "damaged.keras"
    if content is None:  # truncated
        model(SIZE, SIZE, 3).save(path)
        content = path.read_bytes()[:-200]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged\.keras can't be read"):
        extract(path, crops, name)


def test_code_in_a_keras_file_is_not_run(crops: Path, tmp_path: Path) -> None:
    hidden = model(SIZE, SIZE, 3, head=layers.Lambda(lambda tensor: tensor[:, 0, 0]))
    hidden.save(tmp_path / "hidden.keras")
    with pytest.raises(InputError, match=r"hidden\.keras can't be read .*; expected a model that"):
        extract(tmp_path / "hidden.keras", crops)


def test_weights_of_another_network_are_refused(crops: Path, tmp_path: Path) -> None:
    model(SIZE, SIZE, 3).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match=r"its layer .* has no weights"):
        extract(tmp_path / "other.keras", crops, "densenet121")


def test_an_infinite_feature_is_refused(crops: Path, tmp_path: Path) -> None:
    def huge(tensor: Any) -> Any:  # noqa: ANN401  # of Keras
        return layers.GlobalAveragePooling2D()(layers.Rescaling(1e4)(tensor))

    model(SIZE, SIZE, 3, head=huge).save(tmp_path / "huge.keras")
    with pytest.raises(InputError, match=r"gives a feature of 1.*; expected numbers from -65,504"):
        extract(tmp_path / "huge.keras", crops)


@pytest.mark.parametrize(
    ("shape", "axes", "output"),
    [
        (("n", SIZE, SIZE, 3), (1, 2), ("n", 3)),
        (("n", "height", "width", 3), (1, 2), ("n", 3)),
        (("n", 3, SIZE, SIZE), (2, 3), ("n", 3)),
        ((4, 3, SIZE, SIZE), (2, 3), (4, 3)),
        ((4, 3, 16, 16), (2, 3), (4, 3)),
    ],
)
def test_an_onnx_network_takes_either_order_of_axes_and_any_number_of_patches(
    crops: Path,
    tmp_path: Path,
    shape: tuple[Size, ...],
    axes: tuple[int, ...],
    output: tuple[Size, ...],
) -> None:
    (tmp_path / "mean.onnx").write_bytes(mean_network(shape, axes, output))
    found = extract(tmp_path / "mean.onnx", crops)
    means = patches_of(crops).mean(axis=(1, 2))
    assert found.matrix == pytest.approx(means, abs=0.6)  # the smaller patches are rounded


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (mean_network(("n", SIZE, SIZE, 1), (1, 2), ("n", 1)), r"takes .*32, 32, 1\)\]; expected"),
        (mean_network(("n", SIZE, SIZE, 3), (1, 2), ("n", 3), HALF), r"takes .*float16"),
        (
            mean_network(("n", SIZE, SIZE, 3), (1,), ("n", SIZE, 3)),
            r"gives .*; expected one output",
        ),
        (bytes(range(256)), r"can't be read as ONNX"),
        (mean_network(("n", SIZE, SIZE, 3), (1, 2), ("n", 3))[:-9], r"can't be read as ONNX"),
    ],
)
def test_an_onnx_file_of_another_form_is_refused(
    crops: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "other.onnx").write_bytes(content)
    with pytest.raises(InputError, match=message):
        extract(tmp_path / "other.onnx", crops)


def test_an_onnx_network_that_fails_while_it_computes_is_told(crops: Path, tmp_path: Path) -> None:
    (tmp_path / "failing.onnx").write_bytes(failing_network())
    with pytest.raises(InputError, match=r"can't compute features of 64 patches of 32x32 pixels"):
        extract(tmp_path / "failing.onnx", crops)


def test_without_onnx_runtime_the_message_says_how_to_get_it(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "mean.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=r"needs ONNX Runtime, .* run `make setup EXTRA=onnx`"):
        extract(tmp_path / "mean.onnx", crops)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.keras", "is not a file; expected a network or features"),
        ("features.npy", "doesn't say whose features it holds; expected an .npz with the arrays"),
        ("weights.h5", "holds weights without their network, and 'mine' names none"),
        ("network.pt", r"ends in '\.pt'; expected \.keras, \.h5, \.onnx or \.npz"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    crops: Path, tmp_path: Path, name: str, message: str
) -> None:
    if name != "none.keras":
        (tmp_path / name).write_bytes(b"something")
    with pytest.raises(InputError, match=message):
        extract(tmp_path / name, crops)


def test_resizing_enlarges_smoothly_and_shrinks_by_area() -> None:
    patch = np.zeros((1, 2, 2, 3), np.uint8)
    patch[:, :, 1] = 200
    larger = networks.resized(patch, 4, 4)[0, 0, :, 0]
    assert list(larger) == [0, 50, 150, 200]
    assert networks.resized(larger[None, None, :, None].repeat(4, 1).repeat(3, 3), 2, 2)[
        0, 0, :, 0
    ].tolist() == [25, 175]


def test_a_network_that_gives_other_rows_than_patches_is_refused() -> None:
    """As one that was exported for a batch of one: the other rows would stay zeros."""
    network = networks.Network(lambda batch: batch.mean(axis=(1, 2)).reshape(1, -1), 8, 8)
    with pytest.raises(InputError, match=r"shape \(1, 12\) for 4 patches; expected a row of feat"):
        network.features(np.zeros((4, 8, 8, 3), np.uint8))
