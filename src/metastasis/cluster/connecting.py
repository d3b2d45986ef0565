"""Connects to a Ray cluster, or says what is missing.

Ray is the extra `ray`; nothing imports it unless a user names a cluster.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from metastasis.base.errors import InputError

PACKAGE = Path(__file__).parents[1]
PATIENCE = 10  # seconds until an address has to answer; Ray itself waits longer
EXPECTED = (
    "expected HOST:PORT of its head, as `ray start --head` prints it, on a machine that `ray start "
    "--address` has joined to the cluster"
)


def require() -> ModuleType:
    """Return the module `ray`.

    Raises:
        InputError: it isn't installed.
    """
    try:
        import ray  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError(
            "Ray isn't installed: run `export EXTRA=ray` and `make setup` in the project's folder, "
            "on every machine of the cluster."
        ) from None
    return ray


@contextmanager
def connected(address: str) -> Iterator[ModuleType]:
    """Connect to the cluster at `address`, and yield the module `ray`.

    Its workers import this package as it is here, whatever their environments hold.

    Raises:
        InputError: Ray isn't installed, or there is no cluster, or it refuses.
    """
    ray = require()
    _require_answer(address)
    try:
        ray.init(
            address=address,
            runtime_env={"py_modules": [str(PACKAGE)]},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"the cluster {address} can't be used ({error}); {EXPECTED}.") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError) as error:
        raise InputError(f"no cluster answers at {address} ({error}); {EXPECTED}.") from None
