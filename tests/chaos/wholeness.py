"""Whether every process is whole after a campaign, seen from outside."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from chaos.crowd import request
from chaos.stages import POOL_SIZE, PROCESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.stages import Stage
    from daemon_process import DaemonProcess

MOST_GROWTH = 1.5
SLACK_MEGABYTES = 24
"""Beside the factor: what a process that has just been started is still to take."""

WAITING = """
SELECT count(*), count(DISTINCT application_name)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND wait_event_type = 'Lock'
   AND query LIKE '%emailVerified%'
"""
LEFT_OPEN = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND state LIKE 'idle in transaction%'
"""
LOCKS = """
SELECT count(*)
  FROM pg_locks
 WHERE locktype = 'advisory'
"""


def memory(daemon: DaemonProcess) -> dict[str, float]:
    """Return the resident memory of the service's processes by name, in MiB."""
    main = daemon.process
    assert main is not None
    pids = {"main": main.pid}
    for process in daemon.status()["processes"]:
        if process["pid"]:
            pids[process["name"]] = process["pid"]
    return {name: _resident(pid) for name, pid in pids.items()}


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(found.split()[1]) / 1024


def unwhole(stage: Stage, before: dict[str, float]) -> list[str]:
    """Return what is not as it was before the first fault, in words.

    Args:
        stage: The daemon, with nobody calling it any more.
        before: What `memory` said when it had warmed up.
    """
    daemon, url = stage.daemon, stage.looking_url
    return [
        *idle(daemon, url),
        *lendable(daemon, url),
        *_ready(daemon),
        *_memory(daemon, before),
    ]


def idle(daemon: DaemonProcess, url: str, *, seconds: float = 20) -> Iterator[str]:
    """Yield what is lent, what waits, and which sessions hold on to something, if that lasts."""

    def busy() -> list[str]:
        found = []
        for process in daemon.status()["processes"]:
            pool = process["pool"]
            if process["state"] != "RUNNING":
                found.append(f"{process['name']} is {process['state']}")
            if pool and (pool["in_use"] or pool["waiting"]):
                found.append(f"{process['name']}: {pool['in_use']} connections in use, "
                             f"{pool['waiting']} calls waiting")  # fmt: skip
            if pool and process["name"].startswith("api") and pool["size"] != POOL_SIZE:
                found.append(f"{process['name']}: the pool has {pool['size']} connections")
        with psycopg.connect(url) as connection:
            for sql, words in ((LEFT_OPEN, "sessions idle in a transaction"),
                               (LOCKS, "advisory locks")):  # fmt: skip
                row = connection.execute(sql.encode()).fetchone()
                if row and row[0]:
                    found.append(f"{row[0]} {words}")
        return found

    deadline = time.monotonic() + seconds
    while found := busy():
        if time.monotonic() > deadline:
            yield from found
            return
        time.sleep(0.2)


LOOKS = 10
"""How often it is tried: on a busy machine not all calls arrive before the first time out."""


def lendable(daemon: DaemonProcess, url: str) -> Iterator[str]:
    """Yield how many calls reach PostgreSQL at once, if that is less than there are connections."""
    expected = PROCESSES * POOL_SIZE
    most = 0
    for _ in range(LOOKS):
        most = max(most, _reaching(daemon, url, expected))
        if most == expected:
            return
    yield f"only {most} of {expected} connections can be lent"


def _reaching(daemon: DaemonProcess, url: str, expected: int) -> int:
    """Return how many calls reach PostgreSQL at once while a lock holds them up there."""
    sent = request("get_user_email_verification", {"user_id": "user-0"})
    most = 0
    with (
        ExitStack() as clients,
        psycopg.connect(url) as blocker,
        psycopg.connect(url, autocommit=True) as looking,
    ):
        blocker.execute('LOCK TABLE platform."User" IN ACCESS EXCLUSIVE MODE')
        for _ in range(expected * 8):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            client.sendall(sent)
        deadline = time.monotonic() + 1.8  # less than lock_timeout
        while most < expected and time.monotonic() < deadline:
            row = looking.execute(WAITING.encode()).fetchone()
            assert row is not None
            most = max(most, int(row[0]))
            time.sleep(0.02)
        blocker.rollback()
    return most


def _ready(daemon: DaemonProcess) -> Iterator[str]:
    for _ in range(PROCESSES * 4):
        reply = daemon.client.get("/ready", headers={"connection": "close"})
        if reply.status_code != 200:
            yield f"/ready says {reply.status_code}: {reply.text[:300]}"


def _memory(daemon: DaemonProcess, before: dict[str, float]) -> Iterator[str]:
    usual = max(size for name, size in before.items() if "api" in name)
    for name, size in memory(daemon).items():
        bound = (usual if "api" in name else before[name]) * MOST_GROWTH + SLACK_MEGABYTES
        if size > bound:
            yield f"{name} has {size:.0f} MiB, and had {before[name]:.0f}"
