"""Trains a compiled network epoch by epoch, logs each epoch, and resumes a killed run.

An epoch is a call of Keras's `fit`; this module does the work between epochs. `training` chooses
network and data.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from dvclive import Live
from tqdm import tqdm

from metastasis.base.errors import InputError
from metastasis.train import optimizing, resuming
from metastasis.train.averaging import Average
from metastasis.train.feeding import Feed
from metastasis.train.monitoring import Monitor
from metastasis.train.resuming import Arrays, Row, State


@dataclass(frozen=True)
class Plan:
    """When training ends, and how weights and learning rate are adjusted meanwhile."""

    epochs: int
    patience: int  # the most epochs in a row without a better validation AUC
    average_decay: float  # of the averaged weights, which are validated
    plateau_rate: float | None  # the initial rate, halved on a plateau; None: a schedule sets it
    class_weights: dict[int, float] | None

    def is_over(self, history: list[Row]) -> bool:
        """Return whether training ends after the epochs in `history`."""
        num_epochs = len(history)
        is_idle = num_epochs > 0 and num_epochs - 1 - best_epoch(history) >= self.patience
        return num_epochs >= self.epochs or is_idle


def best_epoch(history: list[Row]) -> int:
    """Return the first epoch with the best validation AUC, counted from 0."""
    return int(np.argmax([row["eval/auc"] for row in history]))


def fit(
    network: keras.Model,
    feed: Feed,
    monitor: Monitor,
    plan: Plan,
    *,
    live: Live,
    state_path: Path,
) -> State:
    """Train the compiled `network` until the plan is over; return the state after the last epoch.

    If `state_path` holds a state, training resumes from it. A state is stored before its epoch is
    logged. On resuming, its epochs are logged again: DVC deletes the logs before a stage runs.

    Raises:
        InputError: the loss is not a number any more.
    """
    average = Average(network, plan.average_decay)
    state = resuming.load(state_path) or State(
        _values(network), average.get_weights(), best=[], history=[]
    )
    _restore(network, average, state)
    if state.history:
        print(f"train: resumes after epoch {len(state.history)}")
    for row in state.history:
        _log(live, row)
    while not plan.is_over(state.history):
        epoch = len(state.history)
        if plan.plateau_rate:
            scores = [row["eval/auc"] for row in state.history]
            network.optimizer.learning_rate = optimizing.plateau_rate(plan.plateau_rate, scores)
        row, speed = _train_epoch(network, feed, epoch, average, plan.class_weights)
        averaged = average.get_weights()
        row |= monitor.measure(network, averaged)
        _check_loss(row, epoch, state_path)
        _report(row, epoch, speed)
        history = [*state.history, row]
        best = averaged if best_epoch(history) == epoch else state.best
        state = State(_values(network), averaged, best, history)
        resuming.save(state_path, state)
        _log(live, row)
    return state


def _train_epoch(
    network: keras.Model,
    feed: Feed,
    epoch: int,
    average: Average,
    class_weights: dict[int, float] | None,
) -> tuple[Row, float]:
    """Train one epoch; return the metrics measured meanwhile, and patches/s."""
    start = time.perf_counter()
    with _progress(epoch, feed.num_steps) as progress:
        fitted = network.fit(
            feed.epoch(epoch),
            callbacks=[keras.callbacks.TerminateOnNaN(), average, progress],
            class_weight=class_weights,
            shuffle=False,  # the feed shuffles
            verbose=0,
        ).history
    speed = feed.num_steps * feed.batch_size / (time.perf_counter() - start)
    row = {f"train/{name}": float(values[-1]) for name, values in fitted.items()}
    row["train/learning_rate"] = float(network.optimizer.learning_rate.numpy())
    return row, speed


def _restore(network: keras.Model, average: Average, state: State) -> None:
    for variable, value in zip(_variables(network), state.variables, strict=True):
        variable.assign(value)
    average.set_weights(state.average)


def _values(network: keras.Model) -> Arrays:
    return [variable.numpy() for variable in _variables(network)]


def _variables(network: keras.Model) -> list[keras.Variable]:
    """Return all variables that training changes: weights, dropouts' generators, optimiser."""
    return [*network.variables, *network.optimizer.variables]


@contextmanager
def _progress(epoch: int, num_steps: int) -> Iterator[keras.callbacks.Callback]:
    """Yield a callback that updates a progress bar, shown only on a terminal."""
    name = f"epoch {epoch + 1}"
    with tqdm(total=num_steps, desc=name, unit=" steps", leave=False, disable=None) as bar:
        yield keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: bar.update())


def _check_loss(row: Row, epoch: int, state_path: Path) -> None:
    """Raise if a loss is not a number, and delete the state, which is then unusable."""
    if not np.isfinite([row["train/loss"], row["eval/loss"]]).all():
        state_path.unlink(missing_ok=True)
        raise InputError(
            f"train: the loss is not a number any more in epoch {epoch + 1}. The usual cause is "
            "a learning rate that is too high: lower train.learning_rate."
        )


def _report(row: Row, epoch: int, speed: float) -> None:
    print(
        f"epoch {epoch + 1:3d}: loss {row['train/loss']:.4f}, AUC {row['train/auc']:.4f}; "
        f"validation loss {row['eval/loss']:.4f}, AUC {row['eval/auc']:.4f}; "
        f"{speed:,.0f} patches/s",
        flush=True,
    )


def _log(live: Live, row: Row) -> None:
    for name, value in row.items():
        live.log_metric(name, value)
    live.next_step()
