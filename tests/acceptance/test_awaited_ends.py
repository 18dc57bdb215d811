"""What passes by itself is waited for, and the service is up soon after its end."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from daemon_process import DaemonProcess
from matrix.remedies import Remedies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postgres_server import PostgresServer

    End = Callable[[], object]

PATIENCE = 60.0
"""Seconds in which a start must be done after the end; 5 on a machine with nothing else to do."""
LIMIT = 8


@contextmanager
def read_only(server: PostgresServer, _daemon: DaemonProcess) -> Iterator[tuple[str, End]]:
    server.execute("ALTER DATABASE own SET default_transaction_read_only = on")
    yield (
        "it has been set to read-only",
        lambda: server.execute("ALTER DATABASE own RESET default_transaction_read_only"),
    )


@contextmanager
def recovery(server: PostgresServer, daemon: DaemonProcess) -> Iterator[tuple[str, End]]:
    server.stop()
    (server.directory / "data" / "standby.signal").touch()
    server.start()

    def promote() -> None:
        told = Remedies.printed_in(daemon.run("doctor").stdout).statements
        assert told == ("SELECT pg_promote();",)
        server.execute(told[0])

    yield "it is a standby", promote


@contextmanager
def no_room(server: PostgresServer, _daemon: DaemonProcess) -> Iterator[tuple[str, End]]:
    server.execute(f"ALTER ROLE limited CONNECTION LIMIT {LIMIT}")
    url = server.url("own").replace("postgres@", "limited@")
    with ExitStack() as others:
        for _ in range(LIMIT - 2):
            others.enter_context(psycopg.connect(url))
        yield "waiting for room", others.close


@contextmanager
def no_place(server: PostgresServer, _daemon: DaemonProcess) -> Iterator[tuple[str, End]]:
    server.execute(f"ALTER ROLE limited CONNECTION LIMIT {LIMIT}")
    url = server.url("own").replace("postgres@", "limited@")
    with ExitStack() as others:
        for _ in range(LIMIT):
            others.enter_context(psycopg.connect(url))
        yield "too many connections for role", others.close


@contextmanager
def away(server: PostgresServer, _daemon: DaemonProcess) -> Iterator[tuple[str, End]]:
    server.stop()
    yield "waiting for PostgreSQL", server.start


@pytest.mark.timeout(180)
@pytest.mark.parametrize("trouble", [read_only, recovery, no_room, no_place, away])
def test_a_start_waits_for_its_end_and_is_up_soon_after(
    own_server: PostgresServer, own_database_url: str, trouble: Callable[..., Iterator[object]]
) -> None:
    own_server.execute("CREATE ROLE limited LOGIN SUPERUSER")
    url = own_database_url.replace("postgres@", "limited@")
    assignments = ["api.processes=1", "database.startup_timeout=600"]
    daemon = DaemonProcess(database_url=url, assignments=assignments)
    try:
        made = daemon.run("migrate", "--create")  # nothing has to be migrated at the start
        assert made.returncode == 0, made.stderr
        own_server.execute("ALTER ROLE limited NOSUPERUSER")
        with trouble(own_server, daemon) as (said, end):  # type: ignore[attr-defined] # a context
            daemon.launch()
            daemon.wait_notified(said, seconds=PATIENCE)
            assert "READY=1" not in daemon.read_notifications()
            end()
            began = time.monotonic()
            daemon.wait_notified("READY=1", seconds=PATIENCE)
            print(f"{trouble.__name__}: up {time.monotonic() - began:.1f} s after its end")
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()
