"""Measure how fast one core scores patches from TIFF files, compared with Keras and PyTorch.

All ways run the same trained network, `compact` with one pass or with flips and turns, on the same
files, and include reading and decoding. They alternate; times are CPU seconds of this process.
Run it after `make repro`, or name other inputs:

    python benchmarks/serving.py models/members/1-0.keras data/crops data/split.csv

PyTorch is measured if it is installed (group `bench`). One round of all ways takes a minute.
"""

import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One core for all, before any library counts the cores.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

try:  # before TensorFlow: each brings an LLVM, and torchvision's refuses to be the second
    import torch
    from torchvision.transforms import v2
except ImportError:  # the group `bench`
    torch = None

import cv2
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from metastasis import models, saving, tables
from metastasis.engines import converting, engines
from metastasis.engines.openvino_engine import Precision
from metastasis.export import quantising
from metastasis.formats import images
from metastasis.patches import shards

INPUTS = ("models/members/1-0.keras", "data/crops", "data/split.csv")
NUM_FILES, NUM_ROUNDS = 512, 5
NUM_CALIBRATION = 300
BATCH_SIZE = 64  # of the others; ours takes as many files at once
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
NOTEBOOK = "Keras, ImageDataGenerator"
Way = Callable[[], NDArray[np.floating]]
UInt8 = NDArray[np.uint8]


def from_notebook(network: keras.Model, paths: list[str]) -> Way:
    """Score files as notebooks do: a generator over a table, and `predict`."""
    table = pd.DataFrame({"file": paths})
    # Without the usual `rescale`, since the network holds it.
    generator = tf.keras.preprocessing.image.ImageDataGenerator()

    def score() -> NDArray[np.floating]:
        with contextlib.redirect_stdout(io.StringIO()):  # it counts the files each time
            batches = generator.flow_from_dataframe(
                table,
                x_col="file",
                class_mode=None,
                target_size=(shards.PATCH_SIZE, shards.PATCH_SIZE),
                batch_size=BATCH_SIZE,
                shuffle=False,
                validate_filenames=False,
            )
        return np.asarray(network.predict(batches, verbose=0))[:, 0]

    return score


def ours(engine: engines.Engine, paths: list[str]) -> Way:
    """Score files with an engine; they are decoded and checked as the pipeline's sources are."""
    frames = images.Frames()

    def score() -> NDArray[np.floating]:
        found = []
        for start in range(0, len(paths), BATCH_SIZE):
            chosen = paths[start : start + BATCH_SIZE]
            batch = np.empty((len(chosen), *images.PATCH_SHAPE), np.uint8)
            for row, path in zip(batch, chosen, strict=True):
                facts = images.look(Path(path).read_bytes(), row, frames)
                assert not facts.flaw, facts  # noqa: S101  # a script
            found.append(engine.logits(batch))
        return expit(np.concatenate(found).astype(np.float64))

    return score


def from_torch(network: keras.Model, paths: list[str]) -> Way | None:
    """Score files with PyTorch's loader and the same network; None if it isn't installed."""
    if torch is None:
        return None
    torch.set_num_threads(1)
    steps = v2.Compose(
        [
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )

    class Files(torch.utils.data.Dataset):  # untyped
        """Decoded files, each (3, 96, 96) of 0..1."""

        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, number: int) -> Any:  # noqa: ANN401
            with Image.open(paths[number]) as image:
                return steps(image.convert("RGB"))

    forward = torch_compact(network)
    loader = torch.utils.data.DataLoader(Files(), BATCH_SIZE)

    def score() -> NDArray[np.floating]:
        with torch.inference_mode():
            return np.concatenate([forward(batch).numpy() for batch in loader])

    return score


def torch_compact(network: keras.Model) -> Callable[[Any], Any]:
    """Return `compact` in PyTorch's functions, with the network's weights, for channels first."""
    functional = torch.nn.functional
    weights = {
        layer.name: [torch.from_numpy(np.array(each)) for each in layer.get_weights()]
        for layer in network.layers
    }

    def conv(tensor: Any, name: str) -> Any:  # noqa: ANN401  # tensors of PyTorch
        kernel = weights[name][0].permute(3, 2, 0, 1).contiguous()
        return functional.conv2d(tensor, kernel, padding=1)

    def norm(tensor: Any, name: str) -> Any:  # noqa: ANN401
        gamma, beta, mean, variance = weights[name]
        epsilon = network.get_layer(name).epsilon
        return functional.batch_norm(tensor, mean, variance, gamma, beta, eps=epsilon)

    def residual(tensor: Any, name: str) -> Any:  # noqa: ANN401
        branch = norm(conv(tensor, f"{name}a_conv"), f"{name}a_norm").relu()
        branch = norm(conv(branch, f"{name}b_conv"), f"{name}b_norm")
        return (tensor + branch).relu()

    def forward(tensor: Any) -> Any:  # noqa: ANN401
        for stage in (1, 2, 3):
            tensor = functional.max_pool2d(conv(tensor, f"conv{stage}"), 2)
            tensor = norm(tensor, f"norm{stage}").relu()
            if stage > 1:
                tensor = residual(tensor, f"block{stage}1")
        tensor = norm(conv(tensor, "conv4"), "norm4").relu()
        centre = tensor[:, :, 4:8, 4:8]
        pooled = [tensor.mean((2, 3)), centre.mean((2, 3)), centre.amax((2, 3))]
        kernel, bias = weights["logit"]
        return torch.sigmoid(torch.cat(pooled, 1) @ kernel + bias)[:, 0]

    return forward


def exports(network: keras.Model, patches: UInt8, folder: Path) -> dict[str, engines.Engine]:
    """Return our engines by their names, with one pass or with flips and turns (d4)."""
    found: dict[str, engines.Engine] = {}
    for tta, told in (("none", ""), ("d4", ", d4")):
        saved = folder / f"{tta}.keras"
        final = models.to_final([network], 1.0, "d4" if tta == "d4" else "none")
        saving.save(final, saved)
        converting.convert(saved, folder / f"{tta}.xml")
        quantising.quantise(folder / f"{tta}.xml", patches, folder / f"{tta}-8.xml")
        found[f"ours, keras{told}"] = engines.open_engine("keras", saved)
        for precision in PRECISIONS:
            found[f"ours, openvino {precision}{told}"] = engines.open_engine(
                "openvino", folder / f"{tta}.xml", precision=precision
            )
        found[f"ours, openvino 8 bits{told}"] = engines.open_engine(
            "openvino", folder / f"{tta}-8.xml"
        )
    converting.convert(folder / "none.keras", folder / "none.onnx")
    found["ours, onnx"] = engines.open_engine("onnx", folder / "none.onnx")
    return found


def timed(way: Way, num: int) -> float:
    """Return images per CPU second."""
    start = time.process_time()
    way()
    return num / (time.process_time() - start)


def told_areas(
    opened: dict[str, engines.Engine], patches: UInt8, labels: NDArray[np.integer]
) -> None:
    """Print how each engine's AUC and probabilities on all validation patches are Keras's."""
    print(
        f"AUC of {len(labels):,} validation patches, its change from Keras's, and the greatest "
        "change of a probability"
    )
    logits = {name: engine.logits(patches) for name, engine in opened.items()}
    for name, found in logits.items():
        expected = logits["ours, keras" + (", d4" if name.endswith("d4") else "")]
        area, before = roc_auc_score(labels, found), roc_auc_score(labels, expected)
        difference = np.abs(expit(found.astype(np.float64)) - expit(expected.astype(np.float64)))
        print(f"{name:32} {area:.4f} {area - before:+.5f} {difference.max():.1e}", flush=True)


def main() -> None:
    cv2.setNumThreads(1)
    network_path, crops, split = map(Path, sys.argv[1:] or INPUTS)
    network, table, patches = (
        keras.saving.load_model(network_path),
        tables.read_patches(split),
        shards.read(crops),
    )
    parts = dict(list(table.groupby("split")))
    drawn = parts["train"]["id"].sample(NUM_CALIBRATION, random_state=0)
    validation = patches.take(patches.locate(parts["validation"]["id"], "labelled"))
    calibration = patches.take(patches.locate(drawn, "labelled"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [str(folder / f"{number}.tif") for number in range(NUM_FILES)]
        files = validation[:: max(1, len(validation) // NUM_FILES)][:NUM_FILES]
        paths = paths[: len(files)]
        for path, patch in zip(paths, files, strict=True):
            tifffile.imwrite(path, patch, photometric="rgb")  # uncompressed, as Kaggle's
        opened = exports(network, calibration, folder)
        told_areas(opened, validation, parts["validation"]["label"].to_numpy())
        ways: dict[str, Way | None] = {
            NOTEBOOK: from_notebook(network, paths),
            "PyTorch, DataLoader": from_torch(network, paths),
            **{name: ours(engine, paths) for name, engine in opened.items()},
        }
        left_out = [name for name, way in ways.items() if way is None]
        known = {name: way for name, way in ways.items() if way is not None}
        expected = known[NOTEBOOK]()
        for label, way in known.items():  # also the warm-up
            allowed = 1e-4 if label == "PyTorch, DataLoader" else 1
            assert np.abs(way() - expected).max() < allowed, label  # noqa: S101
        rounds = [
            {name: timed(way, len(paths)) for name, way in known.items()} for _ in range(NUM_ROUNDS)
        ]
    print(
        f"{NUM_ROUNDS} rounds of {len(paths)} TIFF files, images per CPU second: min median max; "
        f"times as fast as {NOTEBOOK}: min median max"
    )
    for name in known:
        rates = [found[name] for found in rounds]
        ratios = [found[name] / found[NOTEBOOK] for found in rounds]
        print(
            f"{name:32} {min(rates):7,.0f} {statistics.median(rates):7,.0f} {max(rates):7,.0f}   "
            f"{min(ratios):5.2f} {statistics.median(ratios):5.2f} {max(ratios):5.2f}"
        )
    for name in left_out:
        print(f"{name}: not installed, see CONTRIBUTING.md")


if __name__ == "__main__":
    main()
