"""Starts the workers of a training on a Ray cluster, and starts them again if one is lost.

Only this module imports Ray, which is an extra, and only for more than one worker. `training` says
what a worker does.
"""

import importlib
import io
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from metastasis.base import libraries, settings, starting
from metastasis.base.errors import InputError
from metastasis.train.workers import Worker

Work = Callable[[Worker], None]

NUM_RESTARTS = 3  # of all workers, after one was lost or failed; Ray counts announced losses apart
NUM_WAITS = 3  # for room in the cluster, each of `ROOM_TIMEOUT`

ROOM_TIMEOUT = 60  # seconds
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no stage sends usage statistics
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(ROOM_TIMEOUT),
    # Ray would warn that workers wait for the chief, which validates.
    "RAY_TRAIN_COLLECTIVE_WARN_INTERVAL_S": "3600",
}
END = "\0\n"  # of what is printed
SOURCE = Path(__file__).resolve().parents[2]


def run(work: Work, num_workers: int) -> None:
    """Call `work` in `num_workers` processes of a cluster, until all of them have returned.

    The environment variable RAY_ADDRESS names the cluster; without it, one is started on this
    machine for as long as the work takes. The chief runs on this machine, the others anywhere: they
    find this tree, its environment and the working directory under the same paths. If a process is
    lost or fails, all are started again, up to `NUM_RESTARTS` times.

    Raises:
        InputError: Ray isn't installed, the cluster can't be reached or has no room, or the work
            raised it.
    """
    os.environ.update(SETTINGS)
    try:
        train, tensorflow = map(importlib.import_module, ("ray.train", "ray.train.tensorflow"))
    except ModuleNotFoundError:
        raise InputError(
            f"train: train.workers = {num_workers} needs Ray, which isn't installed: run "
            "`make setup EXTRA=ray` in the project's folder, or set it to 1."
        ) from None

    with _cluster(num_workers) as (node, unit), printed() as says:
        trainer = tensorflow.TensorflowTrainer(
            _begin,
            train_loop_config={"task": Task(Path.cwd(), pickle.dumps(work), says)},
            scaling_config=train.ScalingConfig(
                num_workers=num_workers,
                use_gpu=unit == "GPU",
                placement_strategy="SPREAD",
                label_selector=[{"ray.io/node-id": node}, *[{}] * (num_workers - 1)],
            ),
            run_config=train.RunConfig(
                storage_path=str(says.parent),  # of checkpoints, of which there are none
                callbacks=[_announcement(train, says, num_workers)],
                failure_config=train.FailureConfig(
                    max_failures=NUM_RESTARTS, controller_failure_limit=NUM_WAITS - 1
                ),
                logging_config=train.LoggingConfig(log_level="WARNING"),
            ),
        )
        mistake = _fit(train, trainer)
    if mistake:
        raise InputError(mistake)


def _announcement(train: ModuleType, says: Path, num_workers: int) -> object:
    """Return what reports lost workers, in a process of Ray's on this machine."""

    class Announcement(train.UserCallback):  # type: ignore[name-defined]
        def after_exception(
            self,
            run_context: object,  # noqa: ARG002  # Ray's signature
            worker_exceptions: dict[int, Exception],
        ) -> None:
            lost = ", ".join(str(number + 1) for number in sorted(worker_exceptions))
            with printer(says) as file:
                print(f"train: lost worker {lost} of {num_workers}; all start again", file=file)

    return Announcement()


def _fit(train: ModuleType, trainer: Any) -> str | None:  # noqa: ANN401  # Ray's
    """Let the workers work; return the mistake that the chief returned."""
    try:
        mistake: str | None = trainer.fit().return_value
    except SystemExit:  # what Ray makes of Ctrl-C
        raise KeyboardInterrupt from None
    except train.ControllerError as error:
        raise InputError(
            f"train: the Ray cluster didn't run the workers (it has {NUM_WAITS * ROOM_TIMEOUT} s "
            f"to find room for them): {error.controller_failure}"
        ) from error
    except train.WorkerGroupError as error:
        failures = error.worker_failures.values()
        mistakes = (each for each in failures if isinstance(each, (InputError, OSError)))
        raise next(mistakes, error) from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Ray has put its own
    return mistake


@dataclass(frozen=True)
class Task:
    """What a worker's process is told."""

    folder: Path
    work: bytes
    says: Path  # what the chief prints goes there


@contextmanager
def printed() -> Iterator[Path]:
    """Yield the path of a pipe in a folder of its own, and print what is written into it.

    Ray would print all that its processes and TensorFlow's native code log.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "says"
        os.mkfifo(path)
        # Open for writing too, so that reading goes on when a chief ends and the next one begins.
        with os.fdopen(os.open(path, os.O_RDWR), encoding="utf-8") as pipe:

            def show() -> None:
                for line in iter(pipe.readline, END):
                    print(line, end="", flush=True)

            thread = threading.Thread(target=show)
            thread.start()
            try:
                yield path
            finally:
                with printer(path) as file:
                    file.write(END)
                thread.join()


def printer(path: Path) -> TextIO:
    """Open the pipe that `printed` yields, for writing.

    If the process that prints was killed, this and later writing fail. So a chief that outlives it
    can't store a state beside another run's: it prints before.

    Raises:
        OSError: nobody reads the pipe.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # to open would wait for a reader
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8")


@contextmanager
def _cluster(num_workers: int) -> Iterator[tuple[str, str]]:
    """Connect to the cluster; yield this machine's id there, and what each worker needs one of."""
    ray = importlib.import_module("ray")
    address = os.environ.get("RAY_ADDRESS") or "local"
    paths = [str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = settings.SET | SETTINGS | {"PYTHONPATH": os.pathsep.join(paths)}
    try:
        ray.init(
            address,
            include_dashboard=None if address != "local" else False,
            logging_level="ERROR",
            log_to_driver=False,
            runtime_env={"env_vars": environment},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"train: the Ray cluster at RAY_ADDRESS = {address} can't be used: {error}"
        ) from error
    try:
        node = ray.get_runtime_context().get_node_id()
        yield node, require_room(ray.nodes(), node, num_workers)
    finally:
        ray.shutdown()


def require_room(nodes: list[dict[str, Any]], own: str, num_workers: int) -> str:
    """Return what each worker needs one of: a GPU if the cluster has any, else a CPU.

    `nodes` are those that Ray lists, and `own` is the id of this machine's.

    Raises:
        InputError: the cluster has too few of them, or this machine has none for the chief.
    """
    alive = {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}
    unit = "GPU" if any("GPU" in resources for resources in alive.values()) else "CPU"
    num = int(sum(resources.get(unit, 0) for resources in alive.values()))
    if num < num_workers:
        raise InputError(
            f"train: train.workers = {num_workers} needs as many {unit}s, but the Ray cluster has "
            f"{num} (on {len(alive)} machines); lower it, or add machines by `ray start`."
        )
    if not alive[own].get(unit):
        raise InputError(
            f"train: the first worker runs on this machine, which has no {unit} in the Ray "
            "cluster; run the command on a machine that has."
        )
    return unit


def _begin(config: dict[str, Task]) -> str | None:
    """Work in a process of the cluster; return the user's mistake, which a restart would repeat."""
    ray, collective = map(importlib.import_module, ("ray", "ray.train.collective"))
    task, context = config["task"], ray.train.get_context()
    members = os.environ["TF_CONFIG"]  # by Ray; TensorFlow reads it
    settings.apply()  # removes it, and also Ray's choice of Keras 2
    os.environ["TF_CONFIG"] = members
    os.chdir(task.folder)
    libraries.require_installed()
    is_chief = context.get_world_rank() == 0

    def hear(value: Any) -> Any:  # noqa: ANN401  # as it came
        # By a reference, in a list so that Ray leaves it one: it warns of more than a kilobyte.
        (reference,) = collective.broadcast_from_rank_zero([ray.put(value) if is_chief else None])
        return ray.get(reference)

    with starting.tensorflow():
        work: Work = pickle.loads(task.work)  # noqa: S301  # of our own process
    output = printer(task.says) if is_chief else io.StringIO()  # of others, nothing is shown
    try:
        with output, redirect_stdout(output):
            work(Worker(context.get_world_rank(), context.get_world_size(), hear))
    except InputError as error:
        return str(error)
    return None
