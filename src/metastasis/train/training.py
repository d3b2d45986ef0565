"""Trains the network on the training patches and keeps the weights with the best validation AUC.

`models` defines the networks, `feeding` and `augmenting` make the batches, and `fitting` runs the
epochs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from dvclive import Live
from sklearn.utils.class_weight import compute_class_weight

from metastasis import members, models, saving, tables
from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.pretrained import weights
from metastasis.results.training_metrics import Ends, TrainingMetrics
from metastasis.train import (
    augmenting,
    devices,
    equivariance,
    feeding,
    fitting,
    layers,
    monitoring,
    optimizing,
    resuming,
)
from metastasis.train.train_params import Recipe

STATE_FOLDER = Path(".state/train")  # one for each member; ignored by git and DVC: no output

LIVE = {"dvcyaml": False, "save_dvc_exp": False, "report": None}  # DVC's stages do all that

FUSED = models.Parts(norm=layers.FusedBatchNormalization)
GROUP = models.Parts(
    first=partial(equivariance.GroupConvolution, lifting=True),
    conv=equivariance.GroupConvolution,
    norm=equivariance.GroupBatchNormalization,
)
PARTS = {"p4m": GROUP}  # of networks that don't train with FUSED


def train(
    params: Recipe,
    member: Member,
    split_path: Path,
    crops_folder: Path,
    *,
    network_path: Path,
    record_path: Path,
    log_folder: Path,
) -> None:
    """Train on the member's part `train`, validate on `validation`, write the best weights.

    The network is written as a plain model, and the record of the patches that it trained on beside
    it. A killed run resumes after its last finished epoch and gives the same bits.

    Raises:
        InputError: there are fewer patches than a batch, devices can't divide it evenly, the crop
            or the file of weights doesn't fit the network, this member is already training, or
            the loss is not a number.
    """
    table = members.divide(tables.read_patches(split_path), member)
    learnt = table[table["split"] == "train"]
    patches = shards.read(crops_folder)
    feed = make_feed(params, patches, learnt, member.seed)
    monitor = monitoring.watch(patches, table[table["split"] == "validation"])
    policy, strategy = devices.policy(params.precision), devices.strategy()
    num_devices = strategy.num_replicas_in_sync
    _check_batch(params, feed, num_devices)
    settings = params.model_dump() | {"policy": policy, "num_devices": num_devices}
    settings |= {"seed": member.seed, "fold": member.fold}
    data = [split_path, crops_folder / shards.INDEX_NAME, *shards.paths(crops_folder)]
    data += [params.starts_from] if params.starts_from else []
    state_folder = STATE_FOLDER / member.key
    state_path = state_folder / f"{resuming.key(settings, data)}.npz"

    keras.utils.set_random_seed(member.seed)
    tf.config.experimental.enable_op_determinism()
    with resuming.alone(state_folder), strategy.scope():
        network = compiled_network(params, patches.size, feed.num_steps, policy)
        print(
            f"train: {params.model}, {network.count_params():,} parameters, {policy}, "
            f"{len(feed.labels):,} patches" + (f", {num_devices} GPUs" if num_devices > 1 else "")
        )
        plan = fitting.Plan(
            epochs=params.epochs,
            patience=params.patience,
            average_decay=params.average_decay,
            plateau_rate=params.learning_rate if params.schedule == "plateau" else None,
            class_weights=_class_weights(params, feed),
        )
        with Live(log_folder, **LIVE) as live:
            with _telling_how_to_go_on():
                state = fitting.fit(network, feed, monitor, plan, live=live, state_path=state_path)
            best = fitting.best_epoch(state.history)
            metrics = TrainingMetrics(
                best_auc=state.history[best]["eval/auc"],
                best_epoch=best + 1,
                train=_ends(live.summary["train"]),
                eval=_ends(live.summary["eval"]),
                **tables.disjointness(table),
            )
            live.summary = metrics.model_dump(exclude_unset=True)
            live.make_summary()
        network.set_weights(state.best)
        saving.save(models.to_plain(network, params.model), network_path)
        record = members.record(member, learnt["id"], network_path, _training(params))
        records.write(record_path, record)
        state_path.unlink()


def _training(params: Recipe) -> members.Training:
    """Return what the final model's card says of the training."""
    path = params.starts_from
    initial = members.InitialWeights(name=path.name, sha256=files.sha256(path)) if path else None
    recipe = params.model_dump(exclude={"weights"})
    return members.Training(recipe=recipe, initial_weights=initial)


def _ends(latest: dict[str, float]) -> Ends:
    """Return those of the last logged metrics that are compared; DVCLive's tables hold all."""
    return Ends(auc=latest["auc"], loss=latest["loss"])


@contextmanager
def _telling_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(
            "\ntrain: interrupted; the same command resumes after the last finished epoch, as long "
            "as params, data and code stay the same."
        )
        raise


def _check_batch(params: Recipe, feed: feeding.Feed, num_devices: int) -> None:
    if not feed.num_steps:
        raise InputError(
            f"train: {len(feed.labels)} training patches are fewer than one batch of "
            f"train.batch_size = {params.batch_size}; choose a smaller batch."
        )
    if params.batch_size % num_devices:
        raise InputError(
            f"train: {num_devices} GPUs can't share train.batch_size = {params.batch_size} evenly; "
            f"choose a multiple of {num_devices}."
        )


def make_feed(
    params: Recipe, patches: shards.Patches, table: pd.DataFrame, seed: int
) -> feeding.Feed:
    """Return the batches of the patches in `table`, shuffled and augmented by `params`."""
    return feeding.Feed(
        patches=patches,
        places=patches.locate(table["id"], "labelled"),
        labels=table["label"].to_numpy(np.float32),
        batch_size=params.batch_size,
        seed=seed,
        augment=partial(augmenting.augment, params=params),
    )


def _class_weights(params: Recipe, feed: feeding.Feed) -> dict[int, float] | None:
    if params.class_weights == "none":
        return None
    classes = np.array([0, 1])
    weights = compute_class_weight(params.class_weights, classes=classes, y=feed.labels)
    return dict(enumerate(weights.tolist()))


def parts(name: str) -> models.Parts:
    """Return the layers that the network `name` is built of for training."""
    return PARTS.get(name, FUSED)


def compiled_network(params: Recipe, size: int, num_steps: int, policy: str) -> keras.Model:
    """Return the network for patches of `size` pixels with initial weights, ready for training.

    The initial weights are random, or those of the file `train.weights` and zeros for the head.

    Raises:
        InputError: the crop doesn't fit the network, or the file's weights don't.
    """
    network = models.to_logits(models.build(params.model, size, parts(params.model), policy))
    num_warmup_steps = min(params.warmup_epochs, params.epochs - 1) * num_steps
    network.compile(
        optimizer=optimizing.optimizer(
            params.optimizer,
            params.learning_rate,
            params.schedule,
            num_steps=params.epochs * num_steps,
            num_warmup_steps=num_warmup_steps,
            weight_decay=params.weight_decay,
        ),
        loss=keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=params.label_smoothing
        ),
        metrics=[
            keras.metrics.BinaryAccuracy("accuracy", threshold=0),
            keras.metrics.AUC(from_logits=True, name="auc"),
        ],
    )
    network.optimizer.build(network.trainable_variables)  # so that its state can be restored
    if params.starts_from:
        weights.fill(network, params.starts_from)
        # Random, the head would send random gradients back into a body that knows something.
        head = network.get_layer(weights.HEAD)
        head.set_weights([np.zeros_like(weight) for weight in head.get_weights()])
        network.optimizer.slow(_body(network, params, num_warmup_steps))
    return network


def _body(network: keras.Model, params: Recipe, num_warmup_steps: int) -> optimizing.Body:
    """Return all trained weights but the head's; they stay the same for half of the warm-up."""
    return optimizing.Body(
        [
            variable
            for layer in network.layers
            if layer.name != weights.HEAD
            for variable in layer.trainable_variables
        ],
        params.body_rate,
        num_warmup_steps // 2,
    )
