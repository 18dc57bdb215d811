"""A real PgBouncer that takes no more clients: it is said, awaited, and got over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

import plain_http
from autogpt_db.database.url import DatabaseUrl
from daemon_process import DaemonProcess
from pgbouncer import PGBOUNCER, PgBouncer
from postgres_server import with_schema
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing"),
    pytest.mark.timeout(240),
]

MOST = 12
NO_MORE = "no more connections allowed"
SETTINGS = ["api.processes=1", "worker.processes=1", "database.pool_size=3",
            "database.startup_timeout=600"]  # fmt: skip


@pytest.fixture
def pooler(seeded_database_url: str) -> Iterator[PgBouncer]:
    with PgBouncer(
        with_schema(seeded_database_url), pool_size=4, settings={"max_client_conn": str(MOST)}
    ) as running:
        yield running


def crowd(pooler: PgBouncer) -> list[psycopg.Connection[tuple[object, ...]]]:
    """Take every place that the pooler has left."""
    conninfo = DatabaseUrl.parse(pooler.url).conninfo(
        connect_timeout=10, application_name="somebody else"
    )
    others = []
    with pytest.raises(psycopg.OperationalError, match=NO_MORE):
        while True:
            others.append(psycopg.connect(conninfo, autocommit=True))
    return others


def told_by_doctor(daemon: DaemonProcess) -> dict[str, str]:
    checks = json.loads(daemon.run("doctor", "--json").stdout)["checks"]
    (found,) = [check for check in checks if check["check"] == "connections"]
    return dict(found)


def test_a_start_waits_for_a_place_at_the_pooler(pooler: PgBouncer) -> None:
    others = crowd(pooler)
    daemon = DaemonProcess(database_url=pooler.url, assignments=SETTINGS)
    try:
        daemon.launch()
        daemon.wait_notified(NO_MORE, seconds=60)
        found = told_by_doctor(daemon)
        assert found["level"] == "fail"
        assert "max_client_conn" in found["remedy"]
        (told,) = daemon.events("waiting_for_database")
        assert "max_client_conn" in told["remedy"]
        # The remedy; the others stay.
        pooler.change(max_client_conn="100")
        daemon.wait_notified("READY=1", seconds=60)
        assert daemon.call("get_user_by_id", user_id="alice")["email"] == "alice@example.com"
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()
        for other in others:
            other.close()


def test_a_process_that_finds_no_place_is_nobodys_and_comes_back(pooler: PgBouncer) -> None:
    def answer() -> httpx.Response:
        with plain_http.client(base_url=daemon.base, timeout=30) as client:
            return client.post("/get_user_by_id", json={"user_id": "alice"})

    with DaemonProcess(database_url=pooler.url, assignments=SETTINGS) as daemon:
        assert answer().status_code == 200
        others = crowd(pooler)
        try:
            # Its places are taken before its successor asks.
            pid = daemon.pid_of("api:api_00")
            pooler.change(max_client_conn="1")
            daemon.supervisorctl("signal", "KILL", "api:api_00")
            wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="its successor")
            wait_for(lambda: answer().status_code == 503, seconds=60, what="the want of a place")
            reply = answer()
            assert reply.status_code == 503
            assert reply.headers["connection"] == "close"
            assert "retry-after" in reply.headers
            wait_for(
                lambda: "no connection slot" in daemon.status()["words"], seconds=60, what="STATUS"
            )
            assert "max_client_conn" in told_by_doctor(daemon)["remedy"]
            pooler.change(max_client_conn="100")
            wait_for(lambda: answer().status_code == 200, seconds=60, what="its connections")
            wait_for(
                lambda: "1/1 api, 1/1 worker" in daemon.status()["words"], seconds=60, what="all"
            )
        finally:
            for other in others:
                other.close()
        assert "Traceback" not in daemon.log()
