"""Measure the CPU minutes to a validation AUC, beside a plain fine-tuning in PyTorch.

Both train DenseNet-121 from the same weights on the same batches, on one thread, and in bfloat16 if
the processor has it. They take turns: an epoch of `train` with the README's recipe for such
networks and params.yaml's augmentation, then one of PyTorch. PyTorch's way is the usual one:
torchvision's network with a random last layer, AdamW with one rate for all weights, which rises to
1e-4 and falls to 0 (`OneCycleLR`), and no average of weights. Validation isn't timed.

torch and torchvision have to be installed (see CONTRIBUTING.md). The files are those of the stages
`split` and `crop`.

Usage: python benchmarks/fine_tuning.py SPLIT_CSV CROPS_FOLDER WEIGHTS [--epochs N]
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

# Before TensorFlow: each brings an LLVM, and torchvision's refuses to be the second.
import torch
import torchvision
from torch import nn

# isort: split
import keras
import numpy as np
import tensorflow as tf
from sklearn import metrics

from metastasis import models, tables
from metastasis.base import params
from metastasis.patches import shards
from metastasis.pretrained import architectures, weights
from metastasis.train import devices, feeding, monitoring, stepping, train_params, training

NAME = "densenet121"
RECIPE = {  # the README's; the rest is params.yaml's
    "optimizer": "adamw",
    "learning_rate": 1e-4,
    "body_rate": 1.0,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
}
GOALS = (0.945, 0.96)  # validation AUC
TORCH_RATE, TORCH_DECAY = 1e-4, 0.01
TOLERANCE = 0.01  # of the largest feature: the two frameworks' norms have other epsilons

Progress = Iterator[tuple[float, float]]  # CPU seconds so far, and the validation AUC


def ours(
    params_: train_params.TrainParams, feed: feeding.Feed, monitor: monitoring.Monitor, policy: str
) -> Progress:
    """Train as `fitting` does."""
    network = training.compiled_network(params_, feed.patches.size, feed.num_steps, policy)
    steps = stepping.Steps(network, params_.average_decay, None, feed.to_patches)
    seconds = 0.0
    for epoch in range(params_.epochs):
        start = time.process_time()
        steps.epoch(feed.epoch(epoch), after_step=lambda: None)
        seconds += time.process_time() - start
        yield seconds, monitor.measure(network, steps.average.get_weights())["eval/auc"]


class TorchNetwork(nn.Module):
    """torchvision's network, from (n, size, size, 3) uint8 patches to (n, 1) logits."""

    def __init__(self, known: keras.Model) -> None:
        """Take the weights of all layers but the last from `known`."""
        super().__init__()
        self.network = torchvision.models.densenet121(weights=None, num_classes=1)
        architecture = architectures.ARCHITECTURES[NAME]
        self.mean = 255 * torch.tensor(architecture.mean).reshape(1, 3, 1, 1)
        self.deviation = 255 * torch.tensor(architecture.deviation).reshape(1, 3, 1, 1)
        modules = [
            module
            for module in self.network.features.modules()
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
        ]
        layers = [layer for layer in known.layers if layer.weights and layer.name != weights.HEAD]
        for module, layer in zip(modules, layers, strict=True):
            arrays = layer.get_weights()
            if isinstance(module, nn.Conv2d):
                module.weight.data = torch.from_numpy(arrays[0].transpose(3, 2, 0, 1).copy())
            else:
                names = ("weight", "bias", "running_mean", "running_var")
                for name, array in zip(names, arrays, strict=True):
                    getattr(module, name).data = torch.from_numpy(array.copy())

    def standardised(self, patches: torch.Tensor) -> torch.Tensor:
        """Return patches as the network takes them; channels stay last in memory."""
        return (patches.permute(0, 3, 1, 2).float() - self.mean) / self.deviation

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.network(self.standardised(patches))


def check(network: TorchNetwork, known: keras.Model, patches: shards.UInt8) -> None:
    """Stop unless both give the same features."""
    body = keras.Model(known.input, known.get_layer("dropout").input)
    expected = body(patches, training=False).numpy()[:, : network.network.classifier.in_features]
    network.eval()
    with torch.no_grad():
        features = network.network.features(network.standardised(torch.from_numpy(patches)))
    found = features.relu().mean((2, 3)).numpy()
    if np.abs(found - expected).max() > TOLERANCE * np.abs(expected).max():
        raise SystemExit("the two networks differ: their times can't be compared")


def theirs(
    network: TorchNetwork, feed: feeding.Feed, monitor: monitoring.Monitor, epochs: int, policy: str
) -> Progress:
    """Train the plain way."""
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), TORCH_RATE, weight_decay=TORCH_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, TORCH_RATE, total_steps=epochs * feed.num_steps, cycle_momentum=False
    )
    loss = nn.BCEWithLogitsLoss()
    narrow = torch.autocast("cpu", torch.bfloat16, enabled=policy == "mixed_bfloat16")
    seconds = 0.0
    for epoch in range(epochs):
        network.train()
        start = time.process_time()
        for number in range(feed.num_steps):
            patches, labels = map(torch.from_numpy, feed.batch(epoch * feed.num_steps + number))
            optimizer.zero_grad()
            with narrow:
                logits = network(patches)
            loss(logits.float(), labels).backward()
            optimizer.step()
            schedule.step()
        seconds += time.process_time() - start
        network.eval()
        with torch.no_grad(), narrow:
            scores = [network(torch.from_numpy(batch.numpy())).float() for batch in monitor.batches]
        logits = torch.cat(scores)[: len(monitor.labels), 0].numpy()
        yield seconds, float(metrics.roc_auc_score(monitor.labels, logits))


def main(split_path: Path, crops_folder: Path, weights_path: Path, epochs: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    torch.set_num_threads(1)
    changes = {**RECIPE, "model": NAME, "weights": str(weights_path), "epochs": epochs}
    chosen = params.read("train", train_params.TrainParams).model_copy(update=changes)
    seed = chosen.seeds[0]
    keras.utils.set_random_seed(seed)
    torch.manual_seed(seed)
    table, patches = tables.read_patches(split_path), shards.read(crops_folder)
    feed = training.make_feed(chosen, patches, table[table["split"] == "train"], seed)
    monitor = monitoring.watch(patches, table[table["split"] == "validation"])
    policy = devices.policy(chosen.precision)

    known = models.build(NAME, patches.size)
    weights.fill(known, weights_path)
    network = TorchNetwork(known)
    check(network, known, feed.batch(0)[0])
    ways = {
        "train": ours(chosen, feed, monitor, policy),
        "PyTorch": theirs(network, feed, monitor, epochs, policy),
    }
    reached: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    print(f"{len(feed.labels):,} patches, {epochs} epochs, {policy}, one thread each")
    for epoch in range(epochs):
        for name, progress in ways.items():
            seconds, area = next(progress)
            reached[name].append((seconds, area))
            print(
                f"epoch {epoch + 1}, {name}: AUC {area:.4f} after {seconds / 60:.1f} min",
                flush=True,
            )
    for goal in GOALS:
        for name, found in reached.items():
            first = next((seconds for seconds, area in found if area >= goal), None)
            after = "not reached" if first is None else f"after {first / 60:.1f} CPU minutes"
            print(f"AUC {goal}, {name}: {after}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split_path", metavar="SPLIT_CSV", type=Path)
    parser.add_argument("crops_folder", metavar="CROPS_FOLDER", type=Path)
    parser.add_argument("weights_path", metavar="WEIGHTS", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    main(**vars(parser.parse_args()))
