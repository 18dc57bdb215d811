"""Listening sockets: every address of a name, what is taken is named, stale ones are replaced."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from autogpt_db.errors import ConfigurationError, ResourceTakenError
from autogpt_db.listening import address_of, open_listeners
from autogpt_db.supervision.beats import HeartbeatReceiver
from autogpt_db.supervision.control_socket import ControlSocket

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


@pytest.mark.parametrize(
    "kind", ["file", "directory", "pipe", "link to a file", "link to a socket"]
)
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "precious"
    kept = tmp_path / "kept"
    if kind == "file":
        path.write_text("a year's work")
    elif kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a file":
        kept.write_text("a year's work")
        path.symlink_to(kept)
    else:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(kept))
        path.symlink_to(kept)
    before = path.lstat()
    with pytest.raises(ConfigurationError, match=r"api\.host: .*precious exists and is no socket"):
        open_listeners(str(path), 0)
    assert path.lstat() == before
    assert kind != "file" or path.read_text() == "a year's work"
    assert not kind.startswith("link") or kept.exists()


def test_a_socket_whose_backlog_is_full_is_taken_and_makes_nobody_wait(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as busy, ExitStack() as waiting:
        busy.bind(str(path))
        busy.listen(0)
        for _ in range(2):
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(str(path))
        with pytest.raises(ResourceTakenError, match=r"socket is taken by another process"):
            open_listeners(str(path), 0)
        assert path.is_socket()


@pytest.mark.parametrize("name", ["supervisor.sock", "supervisor.sock.new", "heartbeat.sock"])
def test_supervision_s_own_sockets_take_no_file_s_place(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a year's work")
    with pytest.raises(ConfigurationError, match=f"runtime_directory: .*{name} exists"):
        if name == "heartbeat.sock":
            HeartbeatReceiver(tmp_path, {})
        else:
            ControlSocket(str(tmp_path / "supervisor.sock"), 0o600, None)
    assert (tmp_path / name).read_text() == "a year's work"


def test_a_heartbeat_socket_that_a_killed_main_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(str(tmp_path / "heartbeat.sock"))
        with pytest.raises(ResourceTakenError):
            HeartbeatReceiver(tmp_path, {})
    HeartbeatReceiver(tmp_path, {}).close()


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
