"""PostgreSQL away under load: no process exits, every request is answered, service comes back.

With the other tests it is away for twice a request's deadline, in `make test-storm` for a minute.
"""

from __future__ import annotations

import os
import time

import pytest

from daemon_process import DaemonProcess
from load import Writers, lost
from postgres_server import PostgresServer
from waiting import BUSY, wait_for

DEADLINE = 4.0
SECONDS = float(os.environ.get("AUTOGPT_DB_TEST_OUTAGE_SECONDS", 2 * DEADLINE))


@pytest.mark.timeout(240)
def test_an_outage_ends_no_process_and_every_request_is_answered(
    own_server: PostgresServer, own_database_url: str
) -> None:
    assignments = [
        f"api.request_deadline={DEADLINE}",
        "database.pool_timeout=2",
        "database.create_tables=true",
    ]
    with DaemonProcess(database_url=own_database_url, assignments=assignments) as daemon:
        names = ("api:api_00", "api:api_01", "worker:worker_00")
        pids = [daemon.pid_of(name) for name in names]
        with Writers(daemon.port) as writers:
            wait_for(lambda: writers.ok > 500, what="writes before")
            own_server.stop()
            stopped = time.monotonic()
            while time.monotonic() < stopped + SECONDS:
                assert [daemon.pid_of(name) for name in names] == pids
                ready = daemon.client.get("/ready")
                assert ready.status_code in {200, 503}
                time.sleep(1)  # the outage itself
            own_server.start()
            returned = time.monotonic()
            before = writers.ok
            wait_for(lambda: writers.ok > before + 100, what="writes after")
            back = time.monotonic() - returned
        history = writers.history
        gone = lost(own_database_url, history.acknowledged)
        print(
            f"\n{SECONDS:g} s outage: {history}; back after {back:.2f} s; "
            f"acknowledged writes lost: {len(gone)}"
        )
        assert gone == []
        assert set(history.statuses) == {200, 503}
        assert history.replies_503_without_retry_after == 0
        assert history.outcomes["refused"] == 0
        assert history.outcomes["failed"] == 0, history.first_failures
        assert history.slowest < DEADLINE * BUSY
        assert back <= 5 * BUSY
        assert [daemon.pid_of(name) for name in names] == pids
        assert daemon.stop() == 0
