"""A web server on loopback that serves files by name, and misbehaves on demand."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast
from urllib.parse import urlsplit

NO_HEADERS: Mapping[str, str] = {}


class Handler(BaseHTTPRequestHandler):
    """Gives the next planned answer, or the file like a correct server."""

    def do_GET(self) -> None:
        """Answer as planned, or like a correct server."""
        server = cast("Server", self.server)
        server.ranges.append(self.headers.get("Range"))
        answer = server.planned.popleft() if server.planned else serve
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        answer(self, server.files.get(name))

    def do_POST(self) -> None:
        """Answer as the test defines."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        cast("Server", self.server).post(self)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401  # the base class's arguments
        """Log nothing."""

    def send_head(
        self, status: int, num_bytes: int = 0, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send the status and headers for a body of `num_bytes`."""
        self.send_response(status)
        for name, value in {"Content-Length": str(num_bytes), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_body(self, body: bytes) -> None:
        """Record the length of `body` and send it."""
        cast("Server", self.server).num_sent.append(len(body))
        self.wfile.write(body)


Answer = Callable[[Handler, bytes | None], None]


class Server(ThreadingHTTPServer):
    """Holds the served files, the planned answers to GETs, and the requests and lengths sent."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(files)
        self.planned: deque[Answer] = deque()
        self.post: Callable[[Handler], None] = lambda handler: handler.send_head(404)
        self.ranges: list[str | None] = []
        self.num_sent: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Server]:
    """Serve `files` by their names until the block ends."""
    with Server(files) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serve(handler: Handler, body: bytes | None) -> None:
    """Answer like a correct server: 404, the whole file, the requested rest of it, or 416."""
    if body is None:
        handler.send_head(404)
        return
    start = _start(handler)
    if start is not None and start >= len(body):
        handler.send_head(416, headers={"Content-Range": f"bytes */{len(body)}"})
        return
    _send_headers(handler, body, start)
    handler.send_body(body[start or 0 :])


def serve_whole(handler: Handler, body: bytes | None) -> None:
    """Ignore the requested range."""
    assert body is not None
    handler.send_head(200, len(body))
    handler.send_body(body)


def break_off_after(num_bytes: int) -> Answer:
    """Announce the whole body, but end the connection after `num_bytes`."""

    def answer(handler: Handler, body: bytes | None) -> None:
        assert body is not None
        start = _start(handler)
        _send_headers(handler, body, start)
        handler.send_body(body[start or 0 :][:num_bytes])

    return answer


def stall_after(num_bytes: int, seconds: float) -> Answer:
    """Send `num_bytes` and then nothing for `seconds`."""

    def answer(handler: Handler, body: bytes | None) -> None:
        break_off_after(num_bytes)(handler, body)
        time.sleep(seconds)

    return answer


def refuse(status: int, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Answer with `status` and no body."""
    return lambda handler, _: handler.send_head(status, headers=headers)


def send(body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Send `body`, whatever was requested."""

    def answer(handler: Handler, _: bytes | None) -> None:
        handler.send_head(200, len(body), headers)
        handler.send_body(body)

    return answer


def _start(handler: Handler) -> int | None:
    asked = handler.headers.get("Range")
    return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else None


def _send_headers(handler: Handler, body: bytes, start: int | None) -> None:
    headers = {"Accept-Ranges": "bytes", "ETag": '"one"'}
    if start is None:
        handler.send_head(200, len(body), headers)
    else:
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.send_head(206, len(body) - start, headers)
