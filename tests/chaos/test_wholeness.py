"""What is looked at after a campaign is seen when it is not as it should be."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import psycopg

from chaos.crowd import request
from chaos.stages import ASSIGNMENTS, POOL_SIZE, PROCESSES
from chaos.wholeness import idle, lendable
from daemon_process import DaemonProcess
from waiting import wait_for

HELD = 3
# Long enough for connections to be held while all is looked at.
PATIENT = (
    *ASSIGNMENTS,
    "api.request_deadline=60",
    "database.statement_timeout=60",
    "database.lock_timeout=60",
)
WAITING = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database()
   AND wait_event_type = 'Lock'
"""


def test_held_connections_and_locks_and_idle_transactions_are_seen(database_url: str) -> None:
    with (
        DaemonProcess(database_url=database_url, assignments=PATIENT) as daemon,
        psycopg.connect(database_url) as blocker,
        psycopg.connect(database_url, autocommit=True) as looking,
        ExitStack() as clients,
    ):
        # Each process looks at its database every second or two: awaited, where one is at it.
        wait_for(lambda: list(lendable(daemon, database_url)) == [], what="all to be lendable")
        wait_for(lambda: list(idle(daemon, database_url)) == [], what="all to be idle")
        blocker.execute("SELECT pg_advisory_lock(1)")
        blocker.execute('LOCK TABLE platform."UserBalance"')
        for number in range(HELD):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            client.sendall(request("get_credits", {"user_id": f"user-{number}"}))

        def held() -> bool:
            row = looking.execute(WAITING.encode()).fetchone()
            return row == (HELD,)

        wait_for(held, what=f"{HELD} held connections")
        whole = PROCESSES * POOL_SIZE
        few = f"only {whole - HELD} of {whole} connections can be lent"
        wait_for(lambda: list(lendable(daemon, database_url)) == [few], what=few)
        wait_for(lambda: any("in use" in one for one in idle(daemon, database_url, seconds=0)))
        expected = {"1 sessions idle in a transaction", "1 advisory locks"}
        wait_for(
            lambda: expected <= {*idle(daemon, database_url, seconds=0)}, what="both to be seen"
        )
