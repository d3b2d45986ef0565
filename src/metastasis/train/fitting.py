"""Trains a compiled network epoch by epoch, logs each epoch, and resumes a killed run.

`stepping` trains an epoch; this module works between epochs. `training` chooses network and data.
"""

import time
from collections.abc import Sequence
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
from metastasis.train.resident import ResidentFeed
from metastasis.train.resuming import Arrays, Row, State
from metastasis.train.stepping import Steps


@dataclass(frozen=True)
class Plan:
    """When training ends, and how weights and learning rate are adjusted meanwhile."""

    epochs: int
    patience: int  # the most epochs in a row without a better validation AUC
    average_decay: float  # of the averaged weights, which are validated
    plateau_rate: float | None  # the initial rate, halved on a plateau; None: a schedule sets it
    class_weights: Sequence[float] | None  # of the losses of classes 0 and 1

    def is_over(self, history: list[Row]) -> bool:
        """Return whether training ends after the epochs in `history`."""
        num_epochs = len(history)
        is_idle = num_epochs > 0 and num_epochs - 1 - best_epoch(history) >= self.patience
        return num_epochs >= self.epochs or is_idle


@dataclass(frozen=True)
class Desk:
    """What the chief works with between epochs: it alone validates, logs and stores the state."""

    network: keras.Model  # is validated: the trained one, or on several machines its like
    monitor: Monitor
    live: Live
    state_path: Path


def best_epoch(history: list[Row]) -> int:
    """Return the first epoch with the best validation AUC, counted from 0."""
    return int(np.argmax([row["eval/auc"] for row in history]))


def fit(network: keras.Model, feed: Feed | ResidentFeed, plan: Plan, desk: Desk | None) -> State:
    """Train the compiled `network` until the plan is over; return the state after the last epoch.

    Of several workers, all call this, and only the chief with a `desk`. If the desk's path holds a
    state, training resumes from it. A state is stored before its epoch is logged. On resuming, its
    epochs are logged again: DVC deletes the logs before a stage runs.

    Raises:
        InputError: the loss is not a number any more.
    """
    hear = feed.worker.hear
    steps = Steps(network, plan.average_decay, plan.class_weights, feed.to_patches)
    average = steps.average
    state = hear(resuming.load(desk.state_path) if desk else None) or State(
        _values(network), average.get_weights(), best=[], history=[]
    )
    _restore(network, average, state)
    if desk:
        _resume(desk, state)
    while not plan.is_over(state.history):
        epoch = len(state.history)
        if plan.plateau_rate:
            scores = [row["eval/auc"] for row in state.history]
            network.optimizer.learning_rate = optimizing.plateau_rate(plan.plateau_rate, scores)
        row, speed = _train_epoch(network, steps, feed, epoch)
        averaged = average.get_weights()
        row |= hear(desk.monitor.measure(desk.network, averaged) if desk else None)
        if not np.isfinite([row["train/loss"], row["eval/loss"]]).all():
            raise _not_finite(epoch, desk)
        history = [*state.history, row]
        best = averaged if best_epoch(history) == epoch else state.best
        state = State(_values(network), averaged, best, history)
        if desk:
            _report(row, epoch, speed)
            resuming.save(desk.state_path, state)
            _log(desk.live, row)
    return state


def _resume(desk: Desk, state: State) -> None:
    if state.history:
        print(f"train: resumes after epoch {len(state.history)}", flush=True)
    for row in state.history:
        _log(desk.live, row)


def _train_epoch(
    network: keras.Model, steps: Steps, feed: Feed | ResidentFeed, epoch: int
) -> tuple[Row, float]:
    """Train one epoch; return the metrics measured meanwhile, and patches/s."""
    start = time.perf_counter()
    # None: the bar is shown on a terminal only.
    disable = None if feed.worker.is_chief else True
    name = f"epoch {epoch + 1}"
    with tqdm(
        total=feed.num_steps, desc=name, unit=" steps", leave=False, disable=disable
    ) as progress:
        metrics = steps.epoch(feed.epoch(epoch), progress.update)
    speed = feed.num_steps * feed.batch_size / (time.perf_counter() - start)
    row = {f"train/{name}": value for name, value in metrics.items()}
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


def _not_finite(epoch: int, desk: Desk | None) -> InputError:
    """Return the error of a loss that is not a number; delete the state, which is unusable then."""
    if desk:
        desk.state_path.unlink(missing_ok=True)
    return InputError(
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
