"""Serves S3 on this machine from moto's memory, and can be away in the midst of a transfer."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BUCKET = "bucket"
KEY, ACCOUNT = "testing", "123456789012"  # moto's own


class Server:
    """An S3 server with one bucket."""

    def __init__(self) -> None:
        self._answer = DomainDispatcherApplication(create_backend_app)
        self._num_left: int | None = None  # None: it answers for ever
        self._lock = threading.Lock()
        self.url = ""

    def leave_after(self, num_objects: int) -> None:
        """Answer for so many more contents of objects, then to nothing."""
        self._num_left = num_objects

    def come_back(self) -> None:
        """Answer again, with all objects as they were."""
        self._num_left = None

    def names(self, prefix: str) -> set[str]:
        """The names of all objects below `prefix`, without it."""
        found = _backend().buckets[BUCKET].keys
        return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}

    def lose(self, name: str) -> None:
        """Have an object no more."""
        _backend().delete_object(BUCKET, name)

    def __call__(self, request: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        with self._lock:
            is_content = request["REQUEST_METHOD"] in ("GET", "PUT")
            if self._num_left and is_content and "/files/md5/" in request["PATH_INFO"]:
                self._num_left -= 1
        if self._num_left == 0:
            request["werkzeug.socket"].shutdown(socket.SHUT_RDWR)  # as a server that is gone
            raise ConnectionResetError
        answer: Iterable[bytes] = self._answer(request, start)
        return answer


def _backend() -> S3Backend:
    return s3_backends[ACCOUNT]["aws"]


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Yield a server on a free port, with its account in the environment of what is started."""
    (folder / "no-settings").touch()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(folder / "no-settings"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-settings"),
            "AWS_MAX_ATTEMPTS": "1",  # s3fs tries again as well; both take most of a minute
        }.items():
            patch.setenv(name, value)
        server = Server()
        listening = make_server(
            "127.0.0.1", 0, server, threaded=True, request_handler=MotoRequestHandler
        )
        server.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        requests.put(f"{server.url}/{BUCKET}", timeout=10).raise_for_status()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
