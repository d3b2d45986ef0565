"""What a process of a Ray cluster runs: it makes a worker of its own, once, and asks it.

It imports nothing that computes before the project's settings are applied.
"""

import contextlib
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metastasis.base import libraries, settings
from metastasis.base.errors import InputError

if TYPE_CHECKING:
    import ray

    from metastasis.engines.engines import EngineName
    from metastasis.inference.working import Terms, Worker

# Libraries that decide on the bits of a score: they decode, resample or compute.
DECISIVE = (
    "metastasis", "keras", "tensorflow", "numpy", "opencv-python-headless", "pillow", "tifffile",
    "openslide-bin", "openvino", "onnxruntime",
)  # fmt: skip

_workers: dict[str, "Worker"] = {}  # of this process, by the call's job


@dataclass(frozen=True)
class Job:
    """What all workers of a call share."""

    engine: "EngineName"
    network: Mapping[str, bytes]  # the content of its files, the first of which is opened
    terms: "Terms"
    cpus: int  # that a worker computes with
    versions: Mapping[str, str | None]  # of the libraries


def versions() -> dict[str, str | None]:
    """Return the installed versions of the libraries that decide on the bits of a score."""
    return {name: libraries.installed(name) for name in DECISIVE}


def answer(job: "Sequence[ray.ObjectRef[Job]]", method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return what a method of this process's worker returns.

    Raises:
        InputError: this machine has other versions of libraries, or can't open the network.
    """
    (reference,) = job  # in a sequence, so that Ray passes it on rather than what it refers to
    if reference.hex() not in _workers:
        settings.apply()  # before the libraries are imported
        import ray  # noqa: PLC0415  # an extra

        _workers.clear()  # that of an earlier call
        _workers[reference.hex()] = start(ray.get(reference))
    return getattr(_workers[reference.hex()], method)(*arguments)


def start(job: Job) -> "Worker":
    """Return the worker of a job.

    Raises:
        InputError: as `answer`.
    """
    found = versions()
    if other := [name for name in DECISIVE if found[name] != job.versions[name]]:
        wrong = ", ".join(f"{n} {found[n] or '(none)'} for {job.versions[n]}" for n in other)
        raise InputError(
            f"the node {platform.node()} has other libraries than this machine, with which scores "
            f"could differ: {wrong}. Install the same environment on all nodes."
        )
    from metastasis.base import starting  # noqa: PLC0415

    with starting.tensorflow() if job.engine == "keras" else contextlib.nullcontext():
        import cv2  # noqa: PLC0415

        from metastasis.engines import engines  # noqa: PLC0415
        from metastasis.inference.working import Worker  # noqa: PLC0415
    cv2.setNumThreads(job.cpus)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in job.network.items():
            Path(folder, name).write_bytes(content)
        path = Path(folder, next(iter(job.network)))
        return Worker(engines.open_engine(job.engine, path, num_threads=job.cpus), job.terms)
