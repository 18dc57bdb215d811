"""GET /metrics of one process: what was called is what is counted, on both roads."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

import plain_http
from api_process import ApiProcess, read_reply, request, running
from autogpt_db.metrics import families
from metrics_reading import Samples, parse, total, value
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from autogpt_db.metrics.declaration import Family
    from postgres_server import PostgresServer

FRESH = "metrics.database_interval=1"


def scrape(api: ApiProcess, **headers: str) -> Samples:
    reply = api.client.get("/metrics", headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(reply.text)


def requests(samples: Samples, method: str) -> dict[str, float]:
    return {
        dict(labels)["status"]: count
        for (name, labels), count in samples.items()
        if name == families.REQUESTS.name and dict(labels)["method"] == method
    }


def test_every_request_is_counted_once_by_method_and_status(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        for number in range(7):
            api.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=number)
        for _ in range(2):
            assert api.client.post("/get_user_by_id", json={"user_id": "nobody"}).status_code == 400
        assert api.client.post("/get_user_by_id", json={}).status_code == 422
        assert api.client.get("/get_user_by_id").status_code == 405
        for path in ("/nothing", "/made/up", "/nothing?x=1"):
            assert api.client.post(path, json={}).status_code == 404
        for path in ("/live", "/ready", "/openapi.json", "/health_check"):
            assert api.client.get(path).status_code == 200
        assert api.client.head("/metrics").status_code == 200
        samples = scrape(api)
        assert requests(samples, "set_execution_kv_data") == {"200": 7}
        assert requests(samples, "get_user_by_id") == {"400": 2, "405": 1, "422": 1}
        assert requests(samples, "unknown") == {"404": 3}
        assert requests(samples, "health_check") == requests(samples, "GET /live") == {"200": 1}
        assert requests(samples, "HEAD /metrics") == {"200": 1}
        assert requests(samples, "GET /metrics") == {}  # this one wasn't answered yet
        assert requests(scrape(api), "GET /metrics") == {"200": 1}
        count = value(samples, families.REQUEST_SECONDS, "_count", method="set_execution_kv_data")
        assert count == 7
        seconds = value(samples, families.REQUEST_SECONDS, "_sum", method="set_execution_kv_data")
        logged = [e for e in api.events("request") if e["method"] == "set_execution_kv_data"]
        assert seconds == pytest.approx(sum(each["seconds"] for each in logged), abs=1e-4)


def test_a_client_that_leaves_is_counted_as_499(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        with api.connect() as connection:
            connection.sendall(request("sleep_reading", b'{"seconds": 30}'))
            wait_for(lambda: running(seeded_database_url, "pg_sleep"), what="the statement")
            samples = scrape(api)
            assert value(samples, families.IN_FLIGHT, process="api") == 2
            assert value(samples, families.HTTP_CONNECTIONS, process="api") == 2
            # The scrape's own question may have borrowed one more.
            wait_for(lambda: total(scrape(api), families.POOL_IN_USE) == 1, what="one in use")
        wait_for(lambda: requests(scrape(api), "sleep_reading") == {"499": 1}, what="499")
        wait_for(lambda: total(scrape(api), families.IN_FLIGHT) == 1, what="only the scrape")


def test_the_token_is_asked_for_unless_a_setting_opens_it(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url, "api.token=secret") as api:
        assert api.client.get("/metrics").status_code == 401
        assert requests(scrape(api, authorization="Bearer secret"), "unknown") == {"401": 1}
    with ApiProcess(seeded_database_url, "api.token=secret", "metrics.needs_token=false") as api:
        scrape(api)
        assert api.client.get("/openapi.json").status_code == 401
        assert api.client.post("/health_check_async").status_code == 200
        assert api.client.post("/get_user_by_id", json={"user_id": "u"}).status_code == 401


def test_merged_calls_and_waits_for_a_connection_are_seen(seeded_database_url: str) -> None:
    assignments = ("database.pool_size=1", "database.pool_timeout=30")
    with ApiProcess(seeded_database_url, *assignments) as api:
        connections = [api.connect() for _ in range(41)]
        first, *others = connections
        first.sendall(request("sleep_reading", b'{"seconds": 1}'))
        wait_for(lambda: running(seeded_database_url, "pg_sleep"), what="the statement")
        for number, connection in enumerate(others):
            body = b'{"user_id":"u","node_exec_id":"n","key":"%d","data":1}' % number
            connection.sendall(request("set_execution_kv_data", body))
        statuses = [read_reply(connection)[0] for connection in connections]
        assert statuses == [200] * 41
        for connection in connections:
            connection.close()
        samples = scrape(api)
        assert value(samples, families.BATCH_SIZE, "_sum") == 40
        batches = value(samples, families.BATCH_SIZE, "_count")
        assert 1 <= batches < 40
        assert batches - value(samples, families.BATCH_SIZE, "_bucket", le="1") >= 1
        assert value(samples, families.ISOLATED) == 0
        assert value(samples, families.POOL_WAITS, process="api") >= 1
        assert value(samples, families.POOL_WAIT_SECONDS, process="api") > 0.1
        assert value(samples, families.LANE_SIZE, process="api", lane="heavy") == 1


def test_the_database_s_figures_are_right(seeded_database_url: str) -> None:
    with (
        ApiProcess(seeded_database_url, FRESH) as api,
        psycopg.connect(seeded_database_url) as observer,
    ):
        ((name, size, most, version),) = observer.execute(
            "SELECT current_database(), pg_database_size(current_database()),"
            " current_setting('max_connections')::int, current_setting('server_version')"
        ).fetchall()
        wait_for(lambda: total(scrape(api), families.DATABASE_SIZE), what="sizes")
        samples = scrape(api)
        assert value(samples, families.DATABASE_UP) == 1
        assert value(samples, families.DATABASE_RECOVERY) == 0
        assert value(samples, families.DATABASE_STANDBYS) == 0
        assert value(samples, families.DATABASE_INFO, version=version) == 1
        assert value(samples, families.DATABASE_CONNECTIONS_MAX) == most
        assert value(samples, families.DATABASE_SIZE) == pytest.approx(size, rel=0.05), name
        # The observer's own transaction is open, and gets older.
        wait_for(lambda: total(scrape(api), families.DATABASE_OLDEST) > 1.0, what="its age")
        assert value(samples, families.TABLE_DEAD, table="AgentNodeExecution") >= 0
        assert value(samples, families.DATABASE_CONNECTIONS) >= 5


def test_what_the_workers_tables_say_is_shown(seeded_database_url: str) -> None:
    with psycopg.connect(seeded_database_url, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name, status)
            VALUES ('q', 'a', 'todo'), ('q', 'a', 'failed'), ('q', 'a', 'failed'),
                   ('q', 'b', 'succeeded')
            """
        )
        connection.execute(
            """
            INSERT INTO autogpt_db.job_run
                   (job_id, job, attempt, process, done, total, ended_at, outcome)
            VALUES (1, 'a', 1, 'p', 10, 40, NULL, NULL),
                   (2, 'a', 1, 'p', NULL, NULL, 'epoch'::timestamptz + '1000 s', 'succeeded'),
                   (3, 'a', 1, 'p', NULL, NULL, 'epoch'::timestamptz + '2000 s', 'succeeded'),
                   (4, 'a', 1, 'p', NULL, NULL, 'epoch'::timestamptz + '3000 s', 'failed'),
                   (5, 'b', 1, 'p', 7, 0, NULL, NULL)
            """
        )
        connection.execute("INSERT INTO autogpt_db.job_pause (job) VALUES ('b')")
        connection.execute(
            """
            INSERT INTO autogpt_db.job_figure (job, name, labels, value, measured_at)
            VALUES ('w', 'stuck_executions', '{"kind": "queued too long"}', 3, 'epoch'),
                   ('w', 'stuck_executions', '{"kind": "running"}', 0, 'epoch'),
                   ('w', 'stuck_executions', '{"other": "x"}', 8, 'epoch'),
                   ('w', 'stuck_executions', '{"kind": "n"}', 'NaN', 'epoch'),
                   ('w', 'of another version', '{"kind": "x"}', 9, 'epoch'::timestamptz + '5 s')
            """
        )
    with ApiProcess(seeded_database_url) as api:
        wait_for(lambda: total(scrape(api), families.JOBS), what="the queue")
        samples = scrape(api)
        assert value(samples, families.JOBS, job="a", status="todo") == 1
        assert value(samples, families.JOBS, job="a", status="failed") == 2
        assert total(samples, families.JOBS, job="b") == 0
        assert value(samples, families.JOB_SUCCEEDED, job="a") == 2000
        assert value(samples, families.JOB_PROGRESS, job="a") == 0.25
        assert total(samples, families.JOB_PROGRESS) == 0.25
        assert value(samples, families.JOB_PAUSED, job="b") == 1
        assert value(samples, families.STUCK, kind="queued too long") == 3
        assert total(samples, families.STUCK) == 3
        assert value(samples, families.JOB_MEASURED, job="w") == 5


def test_an_outage_is_told_and_costs_no_scrape(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with ApiProcess(own_database_url, FRESH, "database.pool_timeout=0.5") as api:
        wait_for(lambda: total(scrape(api), families.DATABASE_UP) == 1, what="up")
        own_server.stop()
        wait_for(lambda: up(scrape(api)) == 0, what="down")
        samples = scrape(api)
        assert not has(samples, families.DATABASE_CONNECTIONS)
        assert requests(samples, "GET /metrics")["200"] > 1
        own_server.start()
        wait_for(lambda: up(scrape(api)) == 1, what="up again")
        assert total(scrape(api), families.POOL_LOST) >= 1


def test_a_pool_that_is_all_lent_says_nothing_of_the_server(seeded_database_url: str) -> None:
    assignments = (FRESH, "database.pool_size=1", "database.pool_timeout=0.3")
    with ApiProcess(seeded_database_url, *assignments) as api, api.connect() as connection:
        wait_for(lambda: up(scrape(api)) == 1, what="up")
        connection.sendall(request("sleep_reading", b'{"seconds": 30}'))
        wait_for(lambda: running(seeded_database_url, "pg_sleep"), what="the statement")
        seen: list[float | None] = []

        def unanswered() -> bool:
            seen.append(up(scrape(api)))
            return None in seen

        wait_for(unanswered, what="no answer")
        assert 0 not in seen


def up(samples: Samples) -> float | None:
    return samples.get((families.DATABASE_UP.name, ()))


def has(samples: Samples, family: Family) -> bool:
    return any(name == family.name for name, _ in samples)


def test_scrapes_at_once_are_answered_each(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        replies: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: replies.append(plain_http.get(f"{api.base}/metrics")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [reply.status_code for reply in replies] == [200] * 8
        assert requests(scrape(api), "GET /metrics") == {"200": 8}


def test_a_scrape_that_leaves_hurts_nobody(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        for _ in range(20):
            with api.connect() as connection:
                connection.sendall(request("metrics", b"", verb="GET"))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        scrape(api)
        assert not api.events("internal_error")
