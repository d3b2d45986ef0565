"""Trains the network on the training patches and keeps the weights that validate best.

What the networks are stands in `models`, how batches are made in `feeding` and `augmenting`.
"""

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from dvclive import Live
from dvclive.keras import DVCLiveCallback
from matplotlib.figure import Figure
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from tqdm import tqdm
from tqdm.keras import TqdmCallback

from metastasis import (
    augmenting,
    equivariance,
    feeding,
    layers,
    models,
    plotting,
    saving,
    shards,
    tables,
)
from metastasis.errors import InputError
from metastasis.params import Section, Seed

STATE_FOLDER = Path(".state/train")  # in git's and DVC's ignore lists: no output of the stage
SCORING_BATCH_SIZE = 256
AMPERE = (8, 0)  # the first of NVIDIA's compute capabilities with bfloat16
FINAL_RATE = 0.01  # of the learning rate, at the end of the cosine

FUSED = models.Parts(norm=layers.FusedBatchNormalization)
GROUP = models.Parts(
    first=partial(equivariance.GroupConvolution, lifting=True),
    conv=equivariance.GroupConvolution,
    norm=equivariance.GroupBatchNormalization,
)
PARTS = {"baseline": FUSED, "compact": FUSED, "p4m": GROUP}


class TrainParams(Section):
    """The network, its optimiser and its augmentation."""

    seed: Seed
    model: Literal["baseline", "compact", "p4m"]
    epochs: PositiveInt
    patience: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: PositiveFloat
    schedule: Literal["cosine", "constant"]
    warmup_epochs: NonNegativeInt
    weight_decay: NonNegativeFloat
    geometry: augmenting.Geometry
    stain_jitter: Annotated[float, Field(ge=0, le=0.5)]
    precision: Literal["auto", "float32", "bfloat16"]


def train(
    params: TrainParams,
    split_path: Path,
    crops_folder: Path,
    *,
    model_path: Path,
    log_folder: Path,
    plots_folder: Path,
) -> None:
    """Train on split `train`, watch split `validation`, write the best weights as a plain model.

    Raises:
        InputError: there are fewer patches than a batch, the crop doesn't fit the network, or the
            loss stopped being a number.
    """
    table = tables.read_patches(split_path)
    patches = shards.read(crops_folder)
    feed = _feed(params, patches, table[table["split"] == "train"])
    validation = _validation(patches, table[table["split"] == "validation"])
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    policy = _policy(params.precision)
    network = _compiled(params, patches.size, feed.num_steps, policy)
    print(
        f"train: {params.model}, {network.count_params():,} parameters, {policy}, "
        f"{len(feed.labels):,} patches"
    )
    facts = {"slide_disjoint": tables.is_slide_disjoint(table)}
    history = _fit(params, network, feed, validation, log_folder, facts)
    saving.save(models.to_plain(network, params.model), model_path)
    plotting.save(_history_figure(history), plots_folder / "history.png")


def _fit(
    params: TrainParams,
    network: keras.Model,
    feed: feeding.Feed,
    validation: tf.data.Dataset,
    log_folder: Path,
    facts: dict[str, bool],
) -> dict[str, list[float]]:
    """Fit and leave `network` with the weights that validate best; return the history.

    `facts` are logged beside the metrics.
    """
    STATE_FOLDER.mkdir(parents=True, exist_ok=True)
    best_path = STATE_FOLDER / "best.weights.h5"
    best_path.unlink(missing_ok=True)
    with Live(log_folder, dvcyaml=False, save_dvc_exp=False, report=None) as live:
        callbacks = [
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.ModelCheckpoint(
                best_path, "val_auc", mode="max", save_best_only=True, save_weights_only=True
            ),
            keras.callbacks.EarlyStopping("val_auc", mode="max", patience=params.patience),
            _Report(live, params.batch_size * feed.num_steps),
            DVCLiveCallback(live=live),
            TqdmCallback(desc="train", disable=None),
        ]
        history: dict[str, list[float]] = network.fit(
            feed.dataset(params.epochs),
            steps_per_epoch=feed.num_steps,
            epochs=params.epochs,
            validation_data=validation,
            callbacks=callbacks,
            shuffle=False,  # the feed has shuffled
            verbose=0,
        ).history
        _check_loss(history)
        live.summary["best_epoch"] = int(np.argmax(history["val_auc"])) + 1
        live.summary["best_auc"] = max(history["val_auc"])
        live.summary |= facts
        live.make_summary()
    network.load_weights(best_path)
    return history


def _feed(params: TrainParams, patches: shards.Patches, table: pd.DataFrame) -> feeding.Feed:
    if len(table) < params.batch_size:
        raise InputError(
            f"train: {len(table)} training patches are fewer than one batch of "
            f"train.batch_size = {params.batch_size}; choose a smaller batch."
        )
    places = patches.locate(table["id"], "labelled")
    return feeding.Feed(
        patches=patches,
        shard=places["shard"].to_numpy(),
        row=places["row"].to_numpy(),
        labels=table["label"].to_numpy(np.float32),
        batch_size=params.batch_size,
        seed=params.seed,
        augment=partial(
            augmenting.augment, geometry=params.geometry, stain_jitter=params.stain_jitter
        ),
    )


def _validation(patches: shards.Patches, table: pd.DataFrame) -> tf.data.Dataset:
    places = patches.locate(table["id"], "labelled")
    labels = table["label"].to_numpy(np.float32)
    return feeding.in_order(patches, places, labels, SCORING_BATCH_SIZE)


def _compiled(params: TrainParams, size: int, num_steps: int, policy: str) -> keras.Model:
    keras.config.set_dtype_policy(policy)
    try:
        model = models.build(params.model, size, PARTS[params.model])
    finally:
        keras.config.set_dtype_policy("float32")
    network = models.to_logits(model)
    network.compile(
        optimizer=_optimizer(params, num_steps),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            keras.metrics.BinaryAccuracy("accuracy", threshold=0),
            keras.metrics.AUC(from_logits=True, name="auc"),
        ],
    )
    return network


def _optimizer(params: TrainParams, num_steps: int) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov and Hutter 2019): decay acts on kernels, not on biases and norms."""
    rate: Any = params.learning_rate
    if params.schedule == "cosine":
        warmup = min(params.warmup_epochs, params.epochs - 1) * num_steps
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else params.learning_rate,
            decay_steps=params.epochs * num_steps - warmup,
            alpha=FINAL_RATE,
            warmup_target=params.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _policy(precision: str) -> str:
    """Return Keras's dtype policy; "auto" takes bfloat16 where the processor computes in it."""
    if precision == "auto":
        precision = "bfloat16" if _computes_in_bfloat16() else "float32"
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"


def _computes_in_bfloat16() -> bool:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return bool(details.get("compute_capability", (0, 0)) >= AMPERE)
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})  # x86-64, x86-64, Arm


def _check_loss(history: dict[str, list[float]]) -> None:
    losses = np.array([history["loss"], history["val_loss"]])
    epochs = np.flatnonzero(~np.isfinite(losses).all(axis=0))
    if len(epochs):
        raise InputError(
            f"train: the loss stopped being a number in epoch {epochs[0] + 1}; most often the "
            "learning rate is too high: lower train.learning_rate."
        )


def _history_figure(history: dict[str, list[float]]) -> Figure:
    epochs = np.arange(1.0, len(history["loss"]) + 1)
    return plotting.history(
        {
            name: {
                "train": (epochs, np.array(history[name])),
                "validation": (epochs, np.array(history[f"val_{name}"])),
            }
            for name in ("loss", "accuracy", "auc")
        }
    )


class _Report(keras.callbacks.Callback):
    """Logs the learning rate with DVCLive, and a line an epoch with its speed on the terminal."""

    def __init__(self, live: Live, num_patches: int) -> None:
        super().__init__()
        self._live = live
        self._num_patches = num_patches
        self._start = 0.0
        self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._start = time.perf_counter()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._live.log_metric("train/learning_rate", rate)
        logs = logs or {}
        speed = self._num_patches / (self._trained - self._start)
        tqdm.write(
            f"epoch {epoch + 1:3d}: loss {logs['loss']:.4f}, AUC {logs['auc']:.4f}; validation "
            f"loss {logs['val_loss']:.4f}, AUC {logs['val_auc']:.4f}; {speed:,.0f} patches/s"
        )
