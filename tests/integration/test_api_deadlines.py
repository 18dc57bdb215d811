"""Nobody waits for ever: deadlines, clients that leave, full queues, a database that is away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from api_process import ApiProcess, in_background, read_reply, request, running, written
from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.metrics import families
from metrics_reading import parse, total
from waiting import BUSY, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_server import PostgresServer

DEADLINE = 1.0
SLACK = 8  # seconds that a busy machine may add


def assert_unavailable(reply: httpx.Response, *, ends: bool = False) -> str:
    """Return the words of a 503; one of a process without a connection sends its client away."""
    assert reply.status_code == 503, reply.text
    assert int(reply.headers["retry-after"]) >= 1
    body = reply.json()
    assert body["type"] == "ConnectionError"
    (words,) = body["args"]
    assert (reply.headers.get("connection") == "close") is ends
    return str(words)


def test_a_read_is_cancelled_at_its_deadline(database_url: str) -> None:
    with ApiProcess(database_url, f"api.request_deadline={DEADLINE}") as api:
        started = time.monotonic()
        reply = api.client.post("/sleep_reading", json={"seconds": 30})
        assert time.monotonic() - started < DEADLINE + SLACK
        assert "nothing was written" in assert_unavailable(reply)
        wait_for(lambda: not running(database_url, "pg_sleep"), what="the cancel")
        assert api.call("tell_time")
        (line,) = [one for one in api.events("request") if one["method"] == "sleep_reading"]
        assert line["status"] == 503
        assert line["level"] == "warning"
        assert line["seconds"] < DEADLINE + SLACK


def test_a_write_runs_on_after_its_deadline(database_url: str) -> None:
    with ApiProcess(database_url, f"api.request_deadline={DEADLINE}") as api:
        started = time.monotonic()
        reply = api.client.post("/sleep_writing", json={"key": "late", "seconds": 4})
        assert time.monotonic() - started < DEADLINE + SLACK
        assert "may still complete" in assert_unavailable(reply)
        assert not written(database_url, "late")
        wait_for(lambda: written(database_url, "late"), what="the write")
        (end,) = wait_for(lambda: api.events("late_end"), what="the record of its end")
        assert (end["method"], end["outcome"]) == ("sleep_writing", "done")
        assert len([1 for one in api.events("request") if one["method"] == "sleep_writing"]) == 1


def test_the_reply_is_in_time_even_when_the_backend_is_frozen(own_database_url: str) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        migrate(connection, schema_name="platform", create=True)
    with ApiProcess(own_database_url, f"api.request_deadline={DEADLINE}") as api:
        for method, arguments in (
            ("sleep_reading", {"seconds": 20}),
            ("sleep_writing", {"key": "frozen", "seconds": 20}),
        ):
            started = time.monotonic()
            replies = in_background(
                lambda method=method, arguments=arguments: api.client.post(
                    f"/{method}", json=arguments
                )
            )
            ((pid, _),) = wait_for(lambda: running(own_database_url, "pg_sleep"))
            os.kill(pid, signal.SIGSTOP)
            try:
                (reply,) = wait_for(lambda replies=replies: replies, seconds=DEADLINE + SLACK)
                assert time.monotonic() - started < DEADLINE + SLACK
                assert_unavailable(reply)
                if method == "sleep_reading":
                    wait_for(lambda: api.events("backend_closed_hard"), what="the hard close")
                assert api.call("tell_time")
            finally:
                os.kill(pid, signal.SIGCONT)
                with contextlib.suppress(ProcessLookupError):  # its cancel may have ended it
                    os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not running(own_database_url, "pg_sleep"), what="its end")


def test_a_client_that_leaves_cancels_its_read(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        with api.connect() as connection:
            connection.sendall(request("sleep_reading", b'{"seconds": 30}'))
            wait_for(lambda: running(database_url, "pg_sleep"), what="the read")
            left = time.monotonic()
        wait_for(lambda: not running(database_url, "pg_sleep"), what="the cancel")
        print(f"\ncancelled {time.monotonic() - left:.3f} s after the client left")
        (line,) = wait_for(lambda: api.events("request"), what="its line")
        assert line["status"] == 499
        assert api.call("tell_time")


def test_a_client_that_leaves_cancels_the_first_of_its_pipelined_reads(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        with api.connect() as connection:
            connection.sendall(request("sleep_reading", b'{"seconds": 30}') * 2)
            wait_for(lambda: running(database_url, "pg_sleep"), what="the read")
        wait_for(lambda: not running(database_url, "pg_sleep"), what="the cancel")
        assert api.call("tell_time")
        assert running(database_url, "pg_sleep") == []


SET = "set_execution_kv_data"
VALUE = """SELECT data FROM platform."AgentNodeExecutionKeyValueData" WHERE key = 'k'"""


def set_value(data: str) -> dict[str, str]:
    return {"user_id": "u", "node_exec_id": "n", "key": "k", "data": data}


def in_flight(api: ApiProcess) -> float:
    return total(parse(api.client.get("/metrics").text), families.IN_FLIGHT)


@pytest.fixture
def held_row(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Hold the table, so that a first write is under way and the next ones wait for it."""
    with psycopg.connect(database_url) as blocker:
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        yield blocker


def test_a_write_that_waits_for_another_is_not_done_when_its_client_leaves(
    database_url: str, held_row: psycopg.Connection[tuple[object, ...]]
) -> None:
    with ApiProcess(database_url) as api:
        first = in_background(lambda: api.call(SET, **set_value("first")))
        wait_for(lambda: running(database_url, "AgentNodeExecutionKeyValueData"), what="the first")
        before = in_flight(api)
        with api.connect() as connection:
            connection.sendall(request(SET, json.dumps(set_value("second")).encode()))
            wait_for(lambda: in_flight(api) == before + 1, what="the second")
        wait_for(lambda: in_flight(api) == before, what="its end")
        held_row.rollback()
        wait_for(lambda: first, what="the first's reply")
        assert api.call("get_execution_kv_data", user_id="u", key="k") == "first"


def test_a_write_that_waited_for_another_until_its_deadline_says_that_it_was_not_done(
    database_url: str, held_row: psycopg.Connection[tuple[object, ...]]
) -> None:
    with ApiProcess(database_url, f"api.request_deadline={DEADLINE}") as api:
        first = in_background(lambda: api.client.post(f"/{SET}", json=set_value("first")))
        wait_for(lambda: running(database_url, "AgentNodeExecutionKeyValueData"), what="the first")
        second = api.client.post(f"/{SET}", json=set_value("second"))
        assert "nothing was written" in assert_unavailable(second)
        (reply,) = wait_for(lambda: first, what="the first's reply")
        assert "may still complete" in assert_unavailable(reply)
        held_row.rollback()
        with psycopg.connect(database_url, autocommit=True) as looking:
            wait_for(lambda: looking.execute(VALUE).fetchall(), what="the first write")
            wait_for(lambda: not running(database_url, "AgentNodeExecutionKeyValueData"))
            assert looking.execute(VALUE).fetchall() == [("first",)]


def test_a_client_that_leaves_does_not_cancel_its_write(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        with api.connect() as connection:
            connection.sendall(request("sleep_writing", b'{"key": "left", "seconds": 3}'))
            wait_for(lambda: running(database_url, "pg_sleep"), what="the write")
        wait_for(lambda: api.events("request"), what="its line")
        assert not written(database_url, "left")
        wait_for(lambda: written(database_url, "left"), what="the write's end")
        wait_for(lambda: api.events("late_end"), what="the record of its end")


def test_a_write_that_runs_on_leaves_the_next_request_alone(database_url: str) -> None:
    with ApiProcess(database_url, "api.request_deadline=4") as api:
        with api.connect() as connection:
            connection.sendall(request("sleep_writing", b'{"key": "next", "seconds": 4.3}'))
            assert read_reply(connection)[0] == 503
            connection.sendall(request("sleep_reading", b'{"seconds": 30}'))
            wait_for(lambda: api.events("late_end"), what="the write's end")
        lines = wait_for(lambda: len(api.events("request")) == 2 and api.events("request"))
        assert lines[1]["status"] == 499, "the client's leaving ended it, not its deadline"


def test_a_full_queue_refuses_at_once(database_url: str) -> None:
    with ApiProcess(database_url, "database.pool_size=1", "database.pool_max_waiting=1") as api:
        holding = in_background(lambda: api.client.post("/sleep_reading", json={"seconds": 8}))
        wait_for(lambda: running(database_url, "pg_sleep"), what="the first to hold the connection")
        # One of them, whichever comes first, may wait.
        others = [in_background(lambda: api.client.post("/tell_time", json={})) for _ in range(3)]
        wait_for(lambda: sum(map(bool, others)) == len(others) - 1, what="the refusals")
        assert not holding, "refused at once, while the first still runs"
        for refused in filter(None, others):
            assert "queue is full" in assert_unavailable(refused[0])
        (waited,) = (other for other in others if not other)
        wait_for(lambda: holding and waited, what="the others")
        assert (holding[0].status_code, waited[0].status_code) == (200, 200)


def test_waiting_for_a_connection_is_bounded(database_url: str) -> None:
    with ApiProcess(database_url, "database.pool_size=1", "database.pool_timeout=0.3") as api:
        holding = in_background(lambda: api.client.post("/sleep_reading", json={"seconds": 5}))
        wait_for(lambda: running(database_url, "pg_sleep"), what="the first to hold the connection")
        started = time.monotonic()
        assert_unavailable(api.client.post("/tell_time", json={}))
        assert time.monotonic() - started > 0.2
        assert not holding
        # An answer is good for a second: somebody may have looked just before.
        unready = wait_for(
            lambda: (reply := api.client.get("/ready")).status_code == 503 and reply,
            what="not ready",
        )
        assert unready.headers["content-type"] == "application/problem+json"
        assert unready.json()["reasons"]
        assert api.client.get("/health_check").status_code == 400
        wait_for(lambda: holding, what="the first")
        assert holding[0].status_code == 200


def test_a_database_that_is_away_is_told_and_comes_back(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        migrate(connection, schema_name="platform", create=True)
    with ApiProcess(own_database_url, "api.request_deadline=2", "database.pool_timeout=0.5") as api:
        assert api.client.get("/ready").status_code == 200
        own_server.stop()
        for method, arguments in (
            ("tell_time", {}),
            ("sleep_writing", {"key": "away"}),
            ("tell_time", {}),
        ):
            started = time.monotonic()
            assert_unavailable(api.client.post(f"/{method}", json=arguments), ends=True)
            assert time.monotonic() - started < 2 + SLACK
        assert api.client.get("/live").status_code == 200
        unready = api.client.get("/ready")
        assert unready.status_code == 503
        unhealthy = api.client.get("/health_check")
        assert unhealthy.status_code == 400
        assert unhealthy.json()["type"] == "UnhealthyServiceError"
        (words,) = unhealthy.json()["args"]
        assert words.startswith("[DatabaseManager] - Database health check failed: ")
        own_server.start()
        returned = time.monotonic()
        wait_for(
            lambda: api.client.post("/tell_time", json={}).status_code == 200, what="the service"
        )
        assert time.monotonic() - returned < 5 * BUSY
        assert api.client.get("/ready").status_code == 200
        assert api.client.get("/health_check").status_code == 200
        assert api.call("sleep_writing", key="back") == "back"
        assert not api.events("internal_error")


def test_it_starts_without_a_database_and_serves_when_there_is_one(
    own_server: PostgresServer, own_database_url: str
) -> None:
    own_server.stop()
    with ApiProcess(own_database_url, "api.request_deadline=2", "database.pool_timeout=0.5") as api:
        assert_unavailable(api.client.post("/tell_time", json={}), ends=True)
        own_server.start()
        wait_for(
            lambda: api.client.post("/tell_time", json={}).status_code == 200,
            seconds=5 * BUSY,
            what="the service",
        )
