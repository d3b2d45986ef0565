"""Trains the network on the training patches and keeps the weights with the best validation AUC.

`models` defines the networks, `feeding` and `augmenting` make the batches, `fitting` runs the
epochs, and `clusters` starts several workers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    clusters,
    devices,
    equivariance,
    feeding,
    fitting,
    layers,
    monitoring,
    optimizing,
    resident,
    resuming,
)
from metastasis.train.train_params import Recipe
from metastasis.train.workers import ALONE, Worker

STATE_FOLDER = Path(".state/train")  # one for each member; ignored by git and DVC: no output

LIVE = {"dvcyaml": False, "save_dvc_exp": False, "report": None}  # DVC's stages do all that

FUSED = models.Parts(norm=layers.FusedBatchNormalization, dropout=layers.SharedDropout)
GROUP = models.Parts(
    first=partial(equivariance.GroupConvolution, lifting=True),
    conv=equivariance.GroupConvolution,
    norm=equivariance.GroupBatchNormalization,
    dropout=layers.SharedDropout,
)
PARTS = {"p4m": GROUP}  # of networks that don't train with FUSED


@dataclass(frozen=True)
class Job:
    """The training of one member, as every worker gets it."""

    params: Recipe
    member: Member
    policy: str
    split_path: Path
    crops_folder: Path
    network_path: Path
    record_path: Path
    log_folder: Path
    state_path: Path


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
        InputError: there are fewer patches than a batch, devices or workers can't divide it evenly,
            the crop or the file of weights doesn't fit the network, this member is already
            training, the loss is not a number, or the cluster can't run the workers.
    """
    table = members.divide(tables.read_patches(split_path), member)
    policy, num_devices = devices.policy(params.precision), devices.number(params.workers)
    _check_batch(params, (table["split"] == "train").sum(), num_devices)
    settings = params.model_dump() | {"policy": policy, "num_devices": num_devices}
    settings |= {"seed": member.seed, "fold": member.fold, "order": devices.order_of_sums()}
    data = [split_path, crops_folder / shards.INDEX_NAME, *shards.paths(crops_folder)]
    data += [params.starts_from] if params.starts_from else []
    state_folder = STATE_FOLDER / member.key
    job = Job(
        params,
        member,
        policy,
        split_path,
        crops_folder,
        network_path,
        record_path,
        log_folder,
        state_folder / f"{resuming.key(settings, data)}.npz",
    )
    with resuming.alone(state_folder), _telling_how_to_go_on():
        if params.workers > 1:
            clusters.run(partial(work, job), params.workers)
        else:
            work(job, ALONE)


def work(job: Job, worker: Worker) -> None:
    """Train as one of the workers; the chief also validates, logs and writes."""
    params, strategy = job.params, devices.strategy(worker.num)
    table = members.divide(tables.read_patches(job.split_path), job.member)
    learnt = table[table["split"] == "train"]
    patches = shards.read(job.crops_folder)
    made = make_feed(params, patches, learnt, job.member.seed, worker)
    feed = resident.ResidentFeed(made, params) if params.feed == "device" else made
    build = partial(compiled_network, params, patches.size, feed.num_steps, job.policy)
    # A network shared by machines computes only on all of them at once, so that the chief validates
    # with one of its own.
    own = build() if worker.is_chief and worker.num > 1 else None
    keras.utils.set_random_seed(job.member.seed)
    tf.config.experimental.enable_op_determinism()  # where `starting` isn't used
    with strategy.scope():
        network = build()
    plan = fitting.Plan(
        epochs=params.epochs,
        patience=params.patience,
        average_decay=params.average_decay,
        plateau_rate=params.learning_rate if params.schedule == "plateau" else None,
        class_weights=_class_weights(params, feed.labels),
    )
    if not worker.is_chief:
        fitting.fit(network, feed, plan, desk=None)
        return
    print(
        f"train: {params.model}, {network.count_params():,} parameters, {job.policy}, "
        f"{len(feed.labels):,} patches{_devices(worker, strategy)}",
        flush=True,
    )
    monitor = monitoring.watch(patches, table[table["split"] == "validation"])
    with Live(job.log_folder, **LIVE) as live:
        desk = fitting.Desk(own or network, monitor, live, job.state_path)
        state = fitting.fit(network, feed, plan, desk)
        _summarise(live, state, table)
    desk.network.set_weights(state.best)
    plain = models.to_plain(desk.network, params.model)
    if plan.class_weights:
        _unweigh(plain, plan.class_weights)
    saving.save(plain, job.network_path)
    record = members.record(job.member, learnt["id"], job.network_path, _training(params))
    records.write(job.record_path, record)
    job.state_path.unlink()


def _devices(worker: Worker, strategy: tf.distribute.Strategy) -> str:
    if worker.num > 1:
        return f", {worker.num} workers"
    num = strategy.num_replicas_in_sync
    return f", {num} GPUs" if num > 1 else ""


def _summarise(live: Live, state: resuming.State, table: pd.DataFrame) -> None:
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
            "as params, data, code, and the processor with its cores or the GPUs stay the same."
        )
        raise


def _check_batch(params: Recipe, num_patches: int, num_devices: int) -> None:
    if num_patches < params.batch_size:
        raise InputError(
            f"train: {num_patches} training patches are fewer than one batch of "
            f"train.batch_size = {params.batch_size}; choose a smaller batch."
        )
    if params.batch_size % num_devices:
        sharing = f"train.workers = {num_devices}" if params.workers > 1 else f"{num_devices} GPUs"
        raise InputError(
            f"train: {sharing} can't share train.batch_size = {params.batch_size} evenly; "
            f"choose a multiple of {num_devices}."
        )
    if params.feed == "device" and num_devices > 1:
        raise InputError(
            f"train: train.feed: device keeps the patches on one device, found {num_devices}. "
            "Choose train.feed: host, or let one GPU be seen (CUDA_VISIBLE_DEVICES=0)."
        )


def make_feed(
    params: Recipe,
    patches: shards.Patches,
    table: pd.DataFrame,
    seed: int,
    worker: Worker = ALONE,
) -> feeding.Feed:
    """Return the worker's batches of the patches in `table`, shuffled and augmented by `params`."""
    return feeding.Feed(
        patches=patches,
        places=patches.locate(table["id"], "labelled"),
        labels=table["label"].to_numpy(np.float32),
        batch_size=params.batch_size,
        seed=seed,
        augment=partial(augmenting.augment, params=params, worker=worker),
        worker=worker,
    )


def _class_weights(params: Recipe, labels: feeding.Floats) -> list[float] | None:
    if params.class_weights == "none":
        return None
    classes = np.array([0, 1])
    weights = compute_class_weight(params.class_weights, classes=classes, y=labels)
    found: list[float] = weights.tolist()
    return found


def _unweigh(network: keras.Model, class_weights: Sequence[float]) -> None:
    """Take the classes' weights out of the probabilities, which are then those of the patches.

    Weights (2,) multiply the odds of tumour that a network learns by their ratio, a constant added
    to every logit. No temperature could remove it.
    """
    head = network.get_layer(weights.HEAD)
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias - np.log(class_weights[1] / class_weights[0])])


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
    has_warmup = params.schedule == "cosine"
    num_warmup_steps = has_warmup * min(params.warmup_epochs, params.epochs - 1) * num_steps
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
