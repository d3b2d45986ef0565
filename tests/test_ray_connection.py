"""Tests of the messages for clusters that can't be used; none of them starts one."""

import socket
import sys

import pytest

from metastasis import ray_connection
from metastasis.base.errors import InputError


def refused(address: str) -> str:
    with pytest.raises(InputError) as caught, ray_connection.connected(address):
        pass
    return str(caught.value)


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "Ray isn't installed: run `make setup EXTRA=ray`" in refused("auto")


@pytest.mark.medium  # imports Ray
def test_an_address_where_nothing_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = refused(f"127.0.0.1:{port}")
    assert f"no Ray cluster answers at 127.0.0.1:{port} (Connection refused)" in message
    assert "HOST:6379 of its first node" in message
    assert "no Ray cluster answers at ray://127.0.0.1" in refused(f"ray://127.0.0.1:{port}")


@pytest.mark.medium  # imports Ray
@pytest.mark.parametrize("address", ["somewhere", "host:port", "local:", "127.0.0.1", "", "::"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert f"{address} is no address of a Ray cluster. Expected local, auto" in refused(address)
