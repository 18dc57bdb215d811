"""Clients that connect, send part of a request at random and vanish cost nobody else anything.

A fifth of them come with the other tests, all ten thousand in `make test-chaos`.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from contextlib import suppress

import pytest

from chaos.crowd import part
from chaos.proxy import RESET
from chaos.stages import ASSIGNMENTS, PROCESSES
from chaos.wholeness import idle, lendable, memory
from daemon_process import DaemonProcess
from load import Writers, lost
from waiting import PATIENCE, wait_for

CLIENTS = int(os.environ.get("AUTOGPT_DB_TEST_VANISHING", "2000"))
AT_ONCE = 8
NORMAL = 8
MOST_GROWTH = 1.2


def vanish(port: int, count: int, seed: str) -> None:
    """Be clients that come and go, one after another, in all the ways there are to go."""
    one = random.Random(seed)
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        client.settimeout(0.05)
        with client, suppress(OSError):
            for _ in range(one.randrange(1, 3)):
                client.sendall(part(one))
            if one.random() < 0.3:
                client.shutdown(socket.SHUT_WR)
            if one.random() < 0.3:
                client.recv(one.randrange(1, 200))
            if one.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.mark.timeout(600)
def test_vanishing_clients_cost_nobody_an_answer(database_url: str) -> None:
    # A machine that is busy with other tests is no process that hangs.
    patient = (*ASSIGNMENTS, f"supervision.heartbeat_timeout={PATIENCE / 2:g}")
    with DaemonProcess(database_url=database_url, assignments=patient) as daemon:
        pids = [daemon.pid_of(f"api:api_{number:02}") for number in range(PROCESSES)]
        with Writers(daemon.port, clients=NORMAL) as writers:
            wait_for(lambda: writers.ok > 2_000, what="warm processes")
            before = memory(daemon)
            crowd = [
                threading.Thread(
                    target=vanish, args=(daemon.port, CLIENTS // AT_ONCE, f"vanishing-{number}")
                )
                for number in range(AT_ONCE)
            ]
            for thread in crowd:
                thread.start()
            for thread in crowd:
                thread.join()
        history = writers.history
        after = memory(daemon)
        grown = {name: after[name] / size for name, size in before.items()}
        print(
            f"\n{CLIENTS} clients vanished; {NORMAL} others: {history}; memory grew "
            + ", ".join(f"{name} {factor:.2f} times" for name, factor in grown.items())
        )
        assert set(history.outcomes) == {"ok"}, history.first_failures
        assert lost(database_url, history.acknowledged) == []
        assert [daemon.pid_of(f"api:api_{number:02}") for number in range(PROCESSES)] == pids
        assert [*idle(daemon, database_url), *lendable(daemon, database_url)] == []
        assert max(grown.values()) <= MOST_GROWTH
