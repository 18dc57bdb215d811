"""Listening sockets: every address of a name, what is taken is named, stale ones are replaced."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from autogpt_db.errors import ConfigurationError, ResourceTakenError
from autogpt_db.listening import address_of, open_listeners

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_is_every_address_it_stands_for_at_one_port() -> None:
    listeners = open_listeners("localhost", 0)
    try:
        found = {address[:2] for listener in listeners for address in [listener.getsockname()]}
        assert {host for host, _ in found} <= {"127.0.0.1", "::1"}
        assert len(found) == len(listeners)
        assert len({port for _, port in found}) == 1
    finally:
        for listener in listeners:
            listener.close()


def test_a_unix_socket_that_nobody_listens_on_any_more_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    (listener,) = open_listeners(path, 0)
    assert address_of(listener) == f"unix:{path}"
    with listener, pytest.raises(ResourceTakenError, match=r"socket is taken by another process"):
        open_listeners(path, 0)
    (again,) = open_listeners(path, 0)
    again.close()


def test_a_taken_port_names_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ResourceTakenError, match=f"127.0.0.1:{port} is taken by pid"):
            open_listeners("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        open_listeners("192.0.2.1", 8005)


def test_replies_wait_for_no_acknowledgement() -> None:
    (listener,) = open_listeners("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname()), listener.accept()[0] as taken:
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert address_of(listener).startswith("http://127.0.0.1:")
