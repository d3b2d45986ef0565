"""Connects to a Ray cluster, or says what is missing. Nobody imports Ray unless a user names one.

Ray is the extra `ray`; no stage imports this module.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from metastasis.base import processor
from metastasis.base.errors import InputError

PACKAGE = Path(__file__).parent
LOCAL = "local"  # the address of a cluster that is started on this machine, and ends with the call
AUTO = "auto"  # the address of the cluster that this machine belongs to
PATIENCE = 10  # seconds until an address has to answer; Ray itself waits for minutes
PORT = 6379  # of a cluster's first node, unless it was started with another
# Ray would send usage statistics from a cluster that it starts.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}

EXPECTED = (
    f"Expected {LOCAL}, {AUTO} on a machine of the cluster, HOST:{PORT} of its first node as "
    "`ray start --head` prints it, or ray://HOST:10001; all with the same Python and Ray."
)


def require() -> ModuleType:
    """Return the module `ray`.

    Raises:
        InputError: it isn't installed.
    """
    try:
        os.environ |= QUIET
        import ray  # noqa: PLC0415  # an extra, and seconds
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError(
            "Ray isn't installed: run `make setup EXTRA=ray` in the project's folder, "
            "or `pip install 'ray[data,train]'` elsewhere."
        ) from None
    return ray


@contextmanager
def connected(address: str, *, with_package: bool = False) -> Iterator[ModuleType]:
    """Connect to the cluster at `address`, yield the module `ray`, and disconnect.

    Its workers import this package from their own environments, or `with_package`, as it is here.

    Raises:
        InputError: Ray isn't installed, or the cluster doesn't answer or has another version.
    """
    ray = require()
    if address not in (LOCAL, AUTO):
        _require_answer(address)
    is_own = address == LOCAL  # of others, the number of processors is given
    try:
        ray.init(
            address=address,
            num_cpus=processor.usable_cores() if is_own else None,
            include_dashboard=False if is_own else None,
            runtime_env={"py_modules": [str(PACKAGE)]} if with_package else None,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"the Ray cluster {address} can't be used ({_first_line(error)}). {EXPECTED}"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise an InputError if nothing listens at an address."""
    found = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = found.hostname, found.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise InputError(f"{address} is no address of a Ray cluster. {EXPECTED}")
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        raise InputError(
            f"no Ray cluster answers at {address} ({error.strerror or error}). {EXPECTED}"
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
