"""`autogpt-db status`, as people read it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.supervision import unit
from autogpt_db.supervision.configuration import CONTROL_SOCKET
from autogpt_db.supervision.status import connected, format_status, read_status

if TYPE_CHECKING:
    from pathlib import Path


def lines(schema: dict[str, Any] | None) -> list[str]:
    """Return the lines on the schema of a status without processes."""
    tree = {
        "version": "1", "pid": 1, "words": "serving", "address": [], "processes": [],
        "schema": schema,
    }  # fmt: skip
    return [line for line in format_status(tree, as_json=False).splitlines() if "served" in line]


def test_who_asks_loads_nothing_of_what_runs_the_tree() -> None:
    code = "import autogpt_db.supervision.status, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "supervisor.xmlrpc" in loaded
    assert not {"psycopg", "structlog", "supervisor.process", "supervisor.supervisord"} & {*loaded}


@pytest.mark.parametrize("schema", [None, {}])
def test_nothing_is_said_of_a_schema_that_nobody_has_read(schema: dict[str, Any] | None) -> None:
    assert lines(schema) == []


def test_the_release_and_the_methods_that_lack_something_are_named() -> None:
    found = {"release": "v0.6.59", "methods": 57, "not_served": 0, "lacking": []}
    assert lines(found) == ["AutoGPT's schema looks like v0.6.59: 57 methods are served"]
    found |= {"not_served": 3, "lacking": ["get_graph", "get_node"]}
    _, named = lines(found)
    assert named.endswith(": get_graph, get_node and 1 more")


@pytest.mark.parametrize("installed", [True, False])
def test_who_asks_in_vain_is_told_how_it_is_started_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, installed: bool
) -> None:
    monkeypatch.setattr(unit, "_PLACES", (tmp_path,))
    if installed:
        (tmp_path / unit.UNIT).touch()
    with pytest.raises(DatabaseUnreachableError) as told, connected(tmp_path) as proxy:
        proxy.supervisor.getState()
    text = str(told.value)
    assert text.startswith(f"No daemon answers at {tmp_path}/")
    assert "Start it with `systemctl start autogpt-db` or `autogpt-db run`" in text or not installed
    assert ("systemctl" in text) is ("journalctl" in text) is installed
    assert "`autogpt-db run`, or say with --config or --set which one you mean." in text


@pytest.mark.parametrize(
    "answer",
    [
        None,  # it is frozen
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<?xml",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<?xml",
        b"something else\r\n\r\n",
    ],
)
def test_a_daemon_that_ends_or_freezes_while_it_answers_keeps_nobody(
    tmp_path: Path, answer: bytes | None
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / CONTROL_SOCKET))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(answer or b"")

        answering = threading.Thread(target=serve)
        if answer is not None:
            answering.start()
        with pytest.raises(DatabaseUnreachableError, match="No daemon answers"):
            read_status(tmp_path, patience=0.2 if answer is None else 60.0)
        if answer is not None:
            answering.join()
