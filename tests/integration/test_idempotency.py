"""Writes with an `Idempotency-Key`: one effect, one reply, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import plain_http
from api_process import ApiProcess, in_background, read_reply, request, running
from autogpt_db.api.expiry import falls_to_api
from autogpt_db.cli.agents import call_method
from autogpt_db.database.pool import Pool
from autogpt_db.database.pool.batches import LARGEST_BATCH
from autogpt_db.database.pool.merged import MOST_CHARACTERS
from autogpt_db.settings import ApiSettings, DatabaseSettings, Secret, Settings
from autogpt_db.worker.registry import discover
from cutting_proxy import CuttingProxy
from postgres_server import with_schema
from redis_server import RedisServer
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_server import PostgresServer

MODULES = ("extra_operations", "keyed_operations")


class Keyed(ApiProcess):
    """An API process, called with keys."""

    def __init__(self, url: str, *assignments: str, **options: Any) -> None:
        super().__init__(url, *assignments, modules=MODULES, **options)

    def post(
        self, method: str, key: str | None, client: httpx.Client | None = None, /, **arguments: Any
    ) -> httpx.Response:
        headers = {} if key is None else {"idempotency-key": key}
        return (client or self.client).post(f"/{method}", json=arguments, headers=headers)

    def count(self, key: str | None, counter: str = "c", **arguments: Any) -> httpx.Response:
        return self.post("count_up", key, counter=counter, **arguments)


@pytest.fixture
def outside(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """Look at the database from outside: that of the process that tests share, or the test's."""
    shared = "api" in request.fixturenames
    url = request.getfixturevalue("seeded_database_url_for_module" if shared else "database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def long_running(seeded_database_url_for_module: str) -> Iterator[Keyed]:
    with Keyed(seeded_database_url_for_module) as process:
        yield process


@pytest.fixture
def api(long_running: Keyed, outside: psycopg.Connection[Any]) -> Keyed:
    """Return the process that tests share, on a database without keys and counters."""
    forget(outside)
    outside.execute("DROP SEQUENCE IF EXISTS public.runs")
    return long_running


@pytest.fixture
def own_api(database_url: str) -> Iterator[Keyed]:
    """Yield one whose log and figures tell of nothing but the test's calls."""
    with Keyed(database_url) as process:
        yield process


def forget(outside: psycopg.Connection[Any]) -> None:
    outside.execute(
        'TRUNCATE autogpt_db.idempotency_key, platform."AgentNodeExecutionKeyValueData"'
    )


def counted(outside: psycopg.Connection[Any], counter: str = "c") -> int:
    row = outside.execute(
        'SELECT data::int FROM platform."AgentNodeExecutionKeyValueData"'
        " WHERE \"userId\" = 'counter' AND key = %s",
        (counter,),
    ).fetchone()
    return row[0] if row else 0


def kept(outside: psycopg.Connection[Any]) -> list[tuple[str, str, int]]:
    return outside.execute(
        "SELECT method, key, status FROM autogpt_db.idempotency_key ORDER BY 1, 2"
    ).fetchall()


def assert_replayed(reply: httpx.Response, first: httpx.Response) -> None:
    assert reply.headers.get("idempotency-replayed") == "true"
    assert "idempotency-replayed" not in first.headers
    assert (reply.status_code, reply.content) == (first.status_code, first.content)
    assert reply.headers["content-type"] == first.headers["content-type"]


def assert_failed(reply: httpx.Response, status: int, kind: str) -> str:
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert set(body) == {"type", "args"}
    assert body["type"] == kind
    (words,) = body["args"]
    return str(words)


# One effect and one reply --------------------------------------------------------------------


def test_a_repeat_gets_the_same_bytes_and_has_no_effect(
    own_api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    first = own_api.count("k1")
    assert first.status_code == 200
    for _ in range(3):
        assert_replayed(own_api.count("k1"), first)
    assert counted(outside) == 1
    assert own_api.count("k2").content != first.content
    assert own_api.count(None).content != first.content
    assert counted(outside) == 3
    assert kept(outside) == [("count_up", "k1", 200), ("count_up", "k2", 200)]
    lines = [line for line in own_api.events("request") if line["method"] == "count_up"]
    assert [line.get("replayed", False) for line in lines] == ([False] + [True] * 3 + [False] * 2)


def test_a_key_belongs_to_one_method(api: Keyed, outside: psycopg.Connection[Any]) -> None:
    first, other = api.count("k"), api.post("count_up_elsewhere", "k", counter="c")
    assert first.content != other.content
    assert counted(outside) == 2
    assert_replayed(api.post("count_up_elsewhere", "k", counter="c"), other)


def test_other_content_under_the_same_key_is_refused(
    api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    first = api.count("k")
    words = assert_failed(api.count("k", counter="other"), 422, "ValueError")
    assert "Idempotency-Key" in words
    assert_replayed(api.count("k"), first)

    replies = in_background(lambda: api.count("running", seconds=1.0))
    wait_for(lambda: running(api_url(outside), "pg_sleep"))
    assert_failed(api.count("running", counter="other", seconds=1.0), 422, "ValueError")
    (slow,) = wait_for(lambda: replies)
    assert slow.status_code == 200
    assert counted(outside, "other") == 0
    assert counted(outside) == 2


def api_url(outside: psycopg.Connection[Any]) -> str:
    return outside.info.dsn


def test_a_refusal_is_kept_and_its_writes_are_undone(
    api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    first = api.count("k", ending="refused")
    assert "on purpose" in assert_failed(first, 400, "ValueError")
    assert_replayed(api.count("k", ending="refused"), first)
    assert counted(outside) == 0
    assert kept(outside) == [("count_up", "k", 400)]

    # A refusal by PostgreSQL itself, inside the transaction.
    output = {"node_exec_id": "nobody", "output_name": "o", "output_data": 1}
    first = api.post("upsert_execution_output", "k", **output)
    assert_failed(first, 400, "ForeignKeyViolationError")
    assert_replayed(api.post("upsert_execution_output", "k", **output), first)


@pytest.mark.parametrize(("ending", "status"), [("unavailable", 503), ("bug", 500)])
def test_a_failure_of_the_service_is_not_kept(
    api: Keyed, outside: psycopg.Connection[Any], ending: str, status: int
) -> None:
    outside.execute("CREATE SEQUENCE public.runs")
    failed = api.count("k", ending=f"first {ending}")
    assert failed.status_code == status
    assert (counted(outside), kept(outside)) == (0, [])
    first = api.count("k", ending=f"first {ending}")
    assert first.status_code == 200
    assert_replayed(api.count("k", ending=f"first {ending}"), first)
    assert counted(outside) == 1


def test_a_collision_is_tried_again_by_itself(api: Keyed, outside: psycopg.Connection[Any]) -> None:
    outside.execute("CREATE SEQUENCE public.runs")
    assert api.count("k", ending="first collided").status_code == 200
    assert counted(outside) == 1
    assert outside.execute("SELECT last_value FROM public.runs").fetchone() == (2,)
    assert_failed(api.count("always", ending="collided"), 503, "ConnectionError")
    assert counted(outside) == 1


def test_what_does_not_fit_the_signature_is_not_kept(
    api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    assert api.post("count_up", "k", counter=7).status_code == 422
    assert kept(outside) == []
    assert api.count("k").status_code == 200


def test_a_failed_statement_that_the_operation_deals_with_does_not_end_it(
    api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    assert api.post("insert_or_count_up", "1", counter="c").json() == "100"
    assert api.post("insert_or_count_up", "2", counter="c").json().startswith("101 ")
    assert counted(outside) == 101
    assert [status for *_, status in kept(outside)] == [200, 200]


def test_calls_whose_one_statement_may_be_merged_are_merged_and_keep_their_replies(
    api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    def keep_all() -> list[tuple[int, dict[str, str], bytes]]:
        """Send so many at once that some have to come along with others."""
        with ExitStack() as stack:
            connections = [stack.enter_context(api.connect()) for _ in range(40)]
            for number, connection in enumerate(connections):
                data = {"user_id": "u", "node_exec_id": "n", "key": f"k{number}"}
                body = json.dumps(data | {"data": {"n": number}}).encode()
                key = f'idempotency-key: odd"\\{number}'
                connection.sendall(request("set_execution_kv_data", body, key))
            return [read_reply(connection) for connection in connections]

    for number, (status, headers, body) in enumerate(keep_all()):
        assert (status, json.loads(body)) == (200, {"n": number})
        assert "idempotency-replayed" not in headers
    found = outside.execute(
        "SELECT count(*), count(DISTINCT transaction_id) FROM autogpt_db.idempotency_key"
    ).fetchone()
    assert found is not None
    assert found[0] == 40
    assert found[1] < 40
    # Where some have been done before, only the others are done.
    outside.execute("DELETE FROM autogpt_db.idempotency_key WHERE key LIKE '%3'")
    outside.execute("""UPDATE platform."AgentNodeExecutionKeyValueData" SET data = '"now"'""")
    for number, (status, headers, body) in enumerate(keep_all()):
        assert (status, json.loads(body)) == (200, {"n": number})
        assert ("idempotency-replayed" in headers) == (number % 10 != 3)
    rows = outside.execute('SELECT data FROM platform."AgentNodeExecutionKeyValueData"').fetchall()
    assert rows.count(("now",)) == 36


def test_batches_of_two_processes_with_the_same_keys_do_each_call_once(
    seeded_database_url: str,
) -> None:
    """Send outputs to both, of which every fifth is refused; some keys have several contents."""
    with (
        Keyed(seeded_database_url) as one,
        Keyed(seeded_database_url) as other,
        psycopg.connect(seeded_database_url, autocommit=True) as outside,
        ExitStack() as stack,
    ):
        (known,) = outside.execute('SELECT id FROM platform."AgentNodeExecution" LIMIT 1')
        sent = []
        for number in range(40):
            for copy, api in enumerate((one, other, one)):
                output = {
                    "node_exec_id": "nobody" if number % 5 == 4 else known[0],
                    "output_name": f"twice {number}",
                    "output_data": [number, copy if number % 7 == 6 else None],
                }
                connection = stack.enter_context(api.connect())
                sent.append((number, connection, json.dumps(output).encode()))
        for number, connection, body in sent:
            connection.sendall(
                request("upsert_execution_output", body, f"idempotency-key: {number}")
            )
        answers: dict[int, list[tuple[int, bool]]] = {}
        for number, connection, _ in sent:
            status, headers, _ = read_reply(connection)
            answers.setdefault(number, []).append((status, "idempotency-replayed" in headers))
        rows = outside.execute(
            'SELECT name, count(*) FROM platform."AgentNodeExecutionInputOutput"'
            " WHERE name LIKE 'twice %' GROUP BY 1"
        ).fetchall()
        done = [number for number in range(40) if number % 5 != 4]
        assert sorted(rows) == sorted((f"twice {number}", 1) for number in done)
        for number, found in answers.items():
            first = 400 if number % 5 == 4 else 200
            others = 422 if number % 7 == 6 else first
            assert sorted(found) == sorted([(first, False)] + [(others, others != 422)] * 2), (
                number,
                found,
            )
        assert len(kept(outside)) == 40
        assert not [*one.events("internal_error"), *other.events("internal_error")]


def test_a_locked_row_holds_up_only_its_own_call_of_a_batch_with_keys(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    def body(number: int) -> bytes:
        call = {"user_id": "u", "node_exec_id": "n", "key": f"k{number}", "data": number + 1}
        return json.dumps(call).encode()

    with (
        Keyed(database_url, "database.lock_timeout=0") as api,
        psycopg.connect(database_url) as blocker,
        ExitStack() as stack,
    ):
        api.post("set_execution_kv_data", None, **json.loads(body(21)))
        blocker.execute('UPDATE platform."AgentNodeExecutionKeyValueData" SET data = NULL')
        connections = [stack.enter_context(api.connect()) for _ in range(40)]
        for number, connection in enumerate(connections):
            connection.sendall(
                request("set_execution_kv_data", body(number), f"idempotency-key: {number}")
            )
        locked = connections.pop(21)
        for connection in connections:
            status, headers, _ = read_reply(connection)
            assert (status, "idempotency-replayed" in headers) == (200, False)
        assert len(kept(outside)) == 39
        blocker.rollback()
        assert read_reply(locked)[::2] == (200, b"22")
        assert kept(outside) == sorted(
            ("set_execution_kv_data", str(number), 200) for number in range(40)
        )


def test_what_a_merged_statement_refuses_is_kept_as_well(
    seeded_database_url: str,
) -> None:
    with (
        Keyed(seeded_database_url) as api,
        psycopg.connect(seeded_database_url, autocommit=True) as outside,
    ):
        output = {"node_exec_id": "nobody", "output_name": "o", "output_data": 1}
        first = api.post("upsert_execution_output", "k1", **output)
        assert first.status_code == 400
        assert_replayed(api.post("upsert_execution_output", "k1", **output), first)
        # A status that may not follow the present one changes nothing; another statement says so.
        (done,) = outside.execute(
            """SELECT id FROM platform."AgentNodeExecution" WHERE "executionStatus" = 'COMPLETED'
               LIMIT 1"""
        ).fetchall()
        back = {"node_exec_id": done[0], "status": "QUEUED", "execution_data": {}}
        first = api.post("update_node_execution_status", "k2", **back)
        assert first.json()["status"] == "COMPLETED", first.text
        assert_replayed(api.post("update_node_execution_status", "k2", **back), first)
        assert_failed(
            api.post("update_node_execution_status", "k2", **back | {"status": "FAILED"}),
            422,
            "ValueError",
        )
        # And what is done is done once.
        output = {"node_exec_id": done[0], "output_name": "once", "output_data": {"a": "ä"}}
        first = api.post("upsert_execution_output", "k3", **output)
        assert (first.status_code, first.content) == (200, b"null")
        assert_replayed(api.post("upsert_execution_output", "k3", **output), first)
        count = outside.execute(
            'SELECT count(*) FROM platform."AgentNodeExecutionInputOutput" WHERE name = %s',
            ("once",),
        ).fetchone()
        assert count == (1,)
        assert kept(outside) == [
            ("update_node_execution_status", "k2", 200),
            ("upsert_execution_output", "k1", 400),
            ("upsert_execution_output", "k3", 200),
        ]


def test_an_input_that_is_given_with_a_key_is_given_once(seeded_database_url: str) -> None:
    with (
        Keyed(seeded_database_url) as api,
        psycopg.connect(seeded_database_url, autocommit=True) as outside,
    ):
        (place,) = outside.execute(
            'SELECT "agentNodeId", "agentGraphExecutionId"'
            ' FROM platform."AgentNodeExecution" LIMIT 1'
        ).fetchall()
        given_input = {
            "node_id": place[0],
            "graph_exec_id": place[1],
            "input_name": "given once",
            "input_data": {"a": ["ä", None]},
        }
        first = api.post("upsert_execution_input", "k", **given_input)
        assert first.status_code == 200, first.text
        assert first.json()[1]["given once"] == given_input["input_data"]
        assert_replayed(api.post("upsert_execution_input", "k", **given_input), first)
        count = outside.execute(
            'SELECT count(*) FROM platform."AgentNodeExecutionInputOutput" WHERE name = %s',
            ("given once",),
        ).fetchone()
        assert count == (1,)
        assert kept(outside) == [("upsert_execution_input", "k", 200)]


def test_a_merged_reply_too_large_to_be_kept_undoes_its_call(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    def keep(api: Keyed, key: str | None, size: int) -> httpx.Response:
        data = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": "x" * size}
        return api.post("set_execution_kv_data", key, **data)

    with Keyed(database_url, "idempotency.reply_limit=2000") as api:
        words = assert_failed(keep(api, "k", 2000), 400, "ValueError")
        assert "idempotency.reply_limit" in words
        assert kept(outside) == []
        assert not outside.execute(
            'SELECT FROM platform."AgentNodeExecutionKeyValueData"'
        ).fetchall()
        assert keep(api, "k", 1998).status_code == 200
        assert keep(api, None, 2000).status_code == 200


def test_a_call_too_large_to_be_merged_has_a_transaction(api: Keyed) -> None:
    def merged() -> str:
        lines = api.client.get("/metrics").text.splitlines()
        return next(each for each in lines if each.startswith("autogpt_db_merged_batch_size_count"))

    data = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": "x" * MOST_CHARACTERS}
    before = merged()
    first = api.post("set_execution_kv_data", "k", **data)
    assert (first.status_code, first.json()) == (200, data["data"])
    assert_replayed(api.post("set_execution_kv_data", "k", **data), first)
    assert merged() == before


def test_the_command_line_takes_a_key(
    api: Keyed, outside: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGPT_DB_TEST_OPERATIONS", ",".join(MODULES))
    options = Settings(api=ApiSettings(port=api.port))
    arguments = ["counter=c"]
    for key in ("k", "k", "other"):
        assert call_method(options, "count_up", arguments, timeout=30, key=key)[0] == 200
    assert counted(outside) == 2
    assert call_method(options, "count_up", arguments, timeout=30)[0] == 200
    assert counted(outside) == 3


def test_the_description_tells_of_keys_and_repeats(api: Keyed) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    spending, reading = paths["/spend_credits"]["post"], paths["/get_node"]["post"]
    assert spending["parameters"] == [{"$ref": "#/components/parameters/IdempotencyKey"}]
    assert "Idempotency-Replayed" in spending["responses"]["200"]["headers"]
    assert spending["x-repeat"] == {"harmless": False, "effect": "Spends again."}
    assert spending["x-tables"]["UserBalance"] == "writes"
    assert not {"parameters", "x-repeat"} & set(reading)
    assert reading["x-tables"]["AgentNode"] == "reads"


def test_they_are_counted(own_api: Keyed) -> None:
    for key, size in (("a", 1), ("a", 1), ("a", 1), ("a", 2), ("b", 1)):
        own_api.count(key, size=size)
    shown = own_api.client.get("/metrics").text
    assert 'autogpt_db_keyed_calls_total{answer="first"} 2\n' in shown
    assert 'autogpt_db_keyed_calls_total{answer="replayed"} 2\n' in shown
    assert 'autogpt_db_keyed_calls_total{answer="refused"} 1\n' in shown


# Together ------------------------------------------------------------------------------------


def test_64_calls_at_once_have_one_effect_and_equal_replies(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with (
        Keyed(database_url, "database.pool_size=3") as one,
        Keyed(database_url, "database.pool_size=3") as other,
        ThreadPoolExecutor(64) as pool,
    ):
        barrier = threading.Barrier(64)

        def call(number: int) -> httpx.Response:
            process = (one, other)[number % 2]
            with plain_http.client(base_url=process.base, timeout=30) as client:
                barrier.wait()
                return process.post("count_up", "k", client, counter="c", seconds=0.3, size=1000)

        replies = list(pool.map(call, range(64)))
    assert {(reply.status_code, reply.content) for reply in replies} == {(200, replies[0].content)}
    assert sum("idempotency-replayed" not in reply.headers for reply in replies) == 1
    assert counted(outside) == 1


def test_those_who_wait_hold_no_connection_and_are_bounded(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with (
        Keyed(database_url, "database.pool_size=2", "idempotency.max_waiting=5") as api,
        ThreadPoolExecutor(8) as pool,
        psycopg.connect(database_url) as blocker,
    ):
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        first = pool.submit(api.count, "k")
        wait_for(lambda: waiting_for_locks(outside) == 1)
        waiters = [pool.submit(api.count, "k") for _ in range(6)]
        (refused,) = wait_for(lambda: [one for one in waiters if one.done()])
        reply = refused.result()
        assert "waiting" in assert_failed(reply, 503, "ConnectionError")
        assert int(reply.headers["retry-after"]) >= 1
        # Five wait, one works: of two connections one is free.
        assert api.call("tell_time")
        assert waiting_for_locks(outside) == 1
        blocker.rollback()
        replies = [one.result() for one in waiters if one is not refused]
        for reply in replies:
            assert_replayed(reply, first.result())
    assert counted(outside) == 1


def waiting_for_locks(outside: psycopg.Connection[Any]) -> int:
    ((count,),) = outside.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchall()
    return int(count)


def test_who_waits_elsewhere_learns_the_end_without_a_connection(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with (
        Keyed(database_url) as one,
        Keyed(database_url, "database.pool_size=1") as other,
        psycopg.connect(database_url) as blocker,
    ):
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        first = in_background(lambda: one.count("k"))
        wait_for(lambda: waiting_for_locks(outside) == 1)
        second = in_background(lambda: other.count("k"))
        wait_for(lambda: claims(outside) > 0, what="a look at the key from the other process")
        for _ in range(20):  # its only connection is to be had all the time
            assert other.call("tell_time")
        assert not second
        blocker.rollback()
        (reply,) = wait_for(lambda: second)
        assert_replayed(reply, first[0])
    assert counted(outside) == 1


def claims(outside: psycopg.Connection[Any]) -> int:
    """Count the sessions whose latest statement was a look at a key that is taken."""
    ((count,),) = outside.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND query LIKE 'COMMIT' AND application_name = 'autogpt-db api'"
    ).fetchall()
    return int(count)


def test_who_waits_too_long_is_told_and_may_ask_again(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    deadline = "api.request_deadline=1"
    with (
        Keyed(database_url, deadline) as one,
        Keyed(database_url, deadline) as other,
        psycopg.connect(database_url) as blocker,
    ):
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        first = in_background(lambda: one.count("k"))
        wait_for(lambda: waiting_for_locks(outside) == 1)
        for process in (one, other):
            words = assert_failed(process.count("k"), 503, "ConnectionError")
            assert "still under way" in words
        (late,) = wait_for(lambda: first)
        assert "may still complete" in assert_failed(late, 503, "ConnectionError")
        blocker.rollback()
        wait_for(lambda: counted(outside) == 1, what="the end of the first call")
        wait_for(lambda: kept(outside))
        replies = [process.count("k") for process in (one, other)]
    assert [reply.headers["idempotency-replayed"] for reply in replies] == ["true", "true"]
    assert replies[0].content == replies[1].content
    assert counted(outside) == 1


def test_a_client_that_leaves_does_not_fail_those_who_wait(
    own_api: Keyed, database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(database_url) as blocker:
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        body = json.dumps({"counter": "c"}).encode()
        with own_api.connect() as leaving:
            leaving.sendall(request("count_up", body, "idempotency-key: k"))
            wait_for(lambda: waiting_for_locks(outside) == 1)
            second = in_background(
                lambda: own_api.client.post(
                    "/count_up",
                    content=body,
                    headers={"idempotency-key": "k", "content-type": "application/json"},
                )
            )
            wait_for(lambda: own_api.client.get("/live").status_code == 200)
        wait_for(lambda: [e for e in own_api.events("request") if e["status"] == 499])
        blocker.rollback()
        (reply,) = wait_for(lambda: second)
    assert reply.status_code == 200
    assert reply.headers["idempotency-replayed"] == "true"
    assert counted(outside) == 1


def test_a_client_that_leaves_before_it_began_makes_room_for_the_next(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with (
        Keyed(database_url, "database.pool_size=1") as api,
        psycopg.connect(database_url) as blocker,
    ):
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        busy = in_background(lambda: api.count(None, "busy"))
        wait_for(lambda: waiting_for_locks(outside) == 1)
        body = json.dumps({"counter": "c"}).encode()
        with api.connect() as leaving, api.connect() as staying:
            for connection in (leaving, staying):  # the first waits for the only connection
                connection.sendall(request("count_up", body, "idempotency-key: k"))
                wait_for(lambda: api.client.get("/live").status_code == 200)
            leaving.close()
            wait_for(lambda: [e for e in api.events("request") if e["status"] == 499])
            blocker.rollback()
            status, headers, _ = read_reply(staying)
        assert status == 200
        assert "idempotency-replayed" not in headers
        assert wait_for(lambda: busy)[0].status_code == 200
    assert counted(outside) == 1


# Accidents -----------------------------------------------------------------------------------


def test_a_process_killed_in_the_middle_leaves_the_key_to_the_next(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with (
        Keyed(database_url) as one,
        Keyed(database_url) as other,
        psycopg.connect(database_url) as blocker,
    ):
        blocker.execute('LOCK TABLE platform."AgentNodeExecutionKeyValueData"')
        body = json.dumps({"counter": "c"}).encode()
        with one.connect() as dying:
            dying.sendall(request("count_up", body, "idempotency-key: k"))
            wait_for(lambda: waiting_for_locks(outside) == 1)
            second = in_background(lambda: other.count("k"))
            one.signal(9)
            one.exit_code()
            assert read_reply(dying)[0] == 0
        blocker.rollback()  # the dead one's server process notices, and its transaction ends
        (reply,) = wait_for(lambda: second)
        assert reply.status_code == 200
        assert_replayed(other.count("k"), reply)
    assert counted(outside) == int(reply.json().split()[0])
    assert counted(outside) == 1


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(postgres_server.directory) as running_proxy:
        yield running_proxy


@pytest.fixture
def behind_proxy(proxy: CuttingProxy, database_url: str) -> Iterator[Keyed]:
    with Keyed(
        proxy.url(database_url), "api.request_deadline=5", "database.pool_size=1"
    ) as process:
        yield process


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_lost_at_commit_is_resolved_through_the_key(
    proxy: CuttingProxy, behind_proxy: Keyed, outside: psycopg.Connection[Any], cut: str
) -> None:
    proxy.cuts = [cut]
    first = behind_proxy.count("k")
    assert proxy.cuts == []
    assert first.status_code == 200, first.text
    assert_replayed(behind_proxy.count("k"), first)
    assert counted(outside) == 1
    assert "autogpt_db_keyed_calls_resolved_total 1\n" in behind_proxy.client.get("/metrics").text
    (found,) = behind_proxy.events("outcome_found")
    assert found["runs"] == (1 if cut == "after" else 2)

    without = behind_proxy.count(None, "other")
    assert without.status_code == 200


def test_the_outcome_is_looked_up_for_as_long_as_the_client_waits(
    proxy: CuttingProxy, behind_proxy: Keyed, outside: psycopg.Connection[Any]
) -> None:
    proxy.cuts, proxy.refusing = ["after"], True
    first = in_background(lambda: behind_proxy.count("k"))
    wait_for(lambda: proxy.refused > 1, what="attempts to connect again")
    assert not first
    proxy.refusing = False
    (reply,) = wait_for(lambda: first)
    assert reply.status_code == 200, reply.text
    assert_replayed(behind_proxy.count("k"), reply)
    assert counted(outside) == 1


def test_an_outcome_that_stays_unknown_is_resolved_by_the_next_call(
    proxy: CuttingProxy, behind_proxy: Keyed, outside: psycopg.Connection[Any]
) -> None:
    proxy.cuts, proxy.refusing = ["after"], True
    first = in_background(lambda: behind_proxy.count("k"))
    wait_for(lambda: counted(outside) == 1)
    (reply,) = wait_for(lambda: first)
    assert "not known" in assert_failed(reply, 503, "ConnectionError")
    proxy.refusing = False
    wait_for(lambda: behind_proxy.client.get("/ready").status_code == 200)
    again = behind_proxy.count("k")
    assert again.status_code == 200
    assert again.headers["idempotency-replayed"] == "true"
    assert counted(outside) == 1


def test_a_call_that_loses_every_connection_is_known_to_have_written_nothing(
    proxy: CuttingProxy, behind_proxy: Keyed, outside: psycopg.Connection[Any]
) -> None:
    proxy.cuts = ["before", "before"]
    words = assert_failed(behind_proxy.count("k"), 503, "ConnectionError")
    assert "nothing was written" in words
    assert (counted(outside), kept(outside)) == (0, [])
    assert behind_proxy.count("k").status_code == 200


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_lost_under_a_merged_statement_is_resolved_through_the_key(
    proxy: CuttingProxy, behind_proxy: Keyed, outside: psycopg.Connection[Any], cut: str
) -> None:
    data = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": 1}
    proxy.word, proxy.cuts = b"claimed_calls", [cut]
    first = behind_proxy.post("set_execution_kv_data", "k", **data)
    assert proxy.cuts == []
    assert (first.status_code, first.content) == (200, b"1"), first.text
    assert "idempotency-replayed" not in first.headers
    again = behind_proxy.post("set_execution_kv_data", "k", **data)
    assert (again.content, again.headers["idempotency-replayed"]) == (b"1", "true")
    assert kept(outside) == [("set_execution_kv_data", "k", 200)]
    assert "autogpt_db_keyed_calls_resolved_total 1\n" in behind_proxy.client.get("/metrics").text


@pytest.mark.parametrize("cuts", [("before", "after"), ("after", "before")])
def test_each_call_of_a_batch_whose_connection_is_lost_is_resolved_by_itself(
    proxy: CuttingProxy, seeded_database_url: str, cuts: tuple[str, str]
) -> None:
    # The first statement may be one call's; one behind it is of many, as they are too many for one.
    proxy.word, proxy.cuts = b"claimed_calls", list(cuts)
    with (
        Keyed(proxy.url(seeded_database_url)) as api,
        psycopg.connect(seeded_database_url, autocommit=True) as outside,
        ExitStack() as stack,
    ):
        (known,) = outside.execute('SELECT id FROM platform."AgentNodeExecution" LIMIT 1')
        many = LARGEST_BATCH + 16
        connections = [stack.enter_context(api.connect()) for _ in range(many)]
        for number, connection in enumerate(connections):
            output = {"node_exec_id": known[0], "output_name": f"cut {number}", "output_data": 1}
            body = json.dumps(output).encode()
            connection.sendall(
                request("upsert_execution_output", body, f"idempotency-key: {number}")
            )
        for connection in connections:
            status, headers, reply = read_reply(connection)
            assert (status, reply) == (200, b"null")
            assert "idempotency-replayed" not in headers, "they have all come for the first time"
        assert proxy.cuts == []
        found = outside.execute(
            'SELECT count(*), count(DISTINCT name) FROM platform."AgentNodeExecutionInputOutput"'
            " WHERE name LIKE 'cut %'"
        ).fetchone()
        assert found == (many, many)
        assert len(kept(outside)) == many
        assert len(api.events("outcome_found")) >= len(cuts)


@pytest.mark.parametrize(("losses", "status"), [(1, 200), (2, 503)])
def test_a_connection_lost_before_the_work_began_is_no_doubt(
    proxy: CuttingProxy,
    behind_proxy: Keyed,
    outside: psycopg.Connection[Any],
    losses: int,
    status: int,
) -> None:
    assert behind_proxy.call("tell_time")
    proxy.word, proxy.cuts = b"claim_idempotency_key", ["before"] * losses
    reply = behind_proxy.count("k")
    assert reply.status_code == status
    assert counted(outside) == (1 if status == 200 else 0)
    if status == 503:
        words = assert_failed(reply, 503, "ConnectionError")
        assert "before anything was written" in words


# Events --------------------------------------------------------------------------------------


def test_events_are_published_after_the_commit_and_once(
    proxy: CuttingProxy, database_url: str, outside: psycopg.Connection[Any]
) -> None:
    outside.execute("CREATE SEQUENCE public.runs")
    with (
        RedisServer() as redis,
        Keyed(proxy.url(database_url), "redis.host=127.0.0.1", f"redis.port={redis.port}") as api,
        psycopg.connect(database_url) as blocker,
    ):

        def published() -> list[int]:
            return [
                json.loads(message)["payload"]["payload"]["counted"]
                for _, message in redis.published
            ]

        assert api.count("refused", ending="refused").status_code == 400
        assert api.count("unavailable", ending="unavailable").status_code == 503
        blocker.execute("LOCK TABLE autogpt_db.idempotency_key IN SHARE MODE")
        first = in_background(lambda: api.count("k"))
        wait_for(lambda: waiting_for_locks(outside) == 1)  # its work is done, its commit is not
        assert api.count(None, "sentinel").status_code == 200
        wait_for(lambda: published() == [1], what="the event of the call without a key")
        blocker.rollback()
        assert wait_for(lambda: first)[0].status_code == 200
        wait_for(lambda: published() == [1, 1])
        assert_replayed(api.count("k"), first[0])

        proxy.cuts = ["after"]  # committed, and told after it was looked up
        assert api.count("lost").status_code == 200
        proxy.cuts = ["before"]  # done twice, committed once
        assert api.count("again").status_code == 200
        assert api.count(None, "end").status_code == 200
        # Each is sent by a task of its own beside the calls: one may overtake another.
        wait_for(lambda: len(published()) == 5, what="five events")
        assert sorted(published()) == [1, 1, 1, 2, 3]


# Bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["", "a b", "k" * 256, "tab\there", "caf\u00e9", "a, b"], ids=lambda key: repr(key[:9])
)
def test_what_is_no_key_is_refused(api: Keyed, outside: psycopg.Connection[Any], key: str) -> None:
    body = json.dumps({"counter": "c"}).encode()
    with api.connect() as connection:
        connection.sendall(request("count_up", body, f"idempotency-key: {key}"))
        status, _, reply = read_reply(connection)
    assert status == 400
    assert "Idempotency-Key" in json.loads(reply)["args"][0]
    assert counted(outside) == 0


def test_the_largest_key_and_the_oddest(api: Keyed, outside: psycopg.Connection[Any]) -> None:
    odd = "\"{}%s\\'!~" + "k" * 246
    assert len(odd) == 255
    for key in ("k" * 255, odd):
        first = api.count(key)
        assert first.status_code == 200
        assert_replayed(api.count(key), first)
    assert counted(outside) == 2


def test_a_key_given_twice_is_refused(api: Keyed, outside: psycopg.Connection[Any]) -> None:
    with api.connect() as connection:
        connection.sendall(
            request("count_up", b'{"counter": "c"}', "idempotency-key: a", "Idempotency-Key: a")
        )
        assert read_reply(connection)[0] == 400
    assert counted(outside) == 0


def test_methods_that_only_read_ignore_the_header(
    api: Keyed, outside: psycopg.Connection[Any]
) -> None:
    for key in ("k", "a b", "k" * 300):
        first, second = (api.post("tell_time", key) for _ in range(2))
        assert first.status_code == second.status_code == 200
        assert first.content != second.content
        assert "idempotency-replayed" not in second.headers
    assert kept(outside) == []


def test_a_reply_too_large_to_be_kept_undoes_its_call(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with Keyed(database_url, "idempotency.reply_limit=2000") as api:
        words = assert_failed(api.count("k", size=2000), 400, "ValueError")
        assert "idempotency.reply_limit" in words
        assert (counted(outside), kept(outside)) == (0, [])
        assert api.count(None, size=2000).status_code == 200
        assert api.count("k", size=1900).status_code == 200
        assert counted(outside) == 2


def test_large_replies_are_kept_to_the_byte(api: Keyed) -> None:
    first = api.count("k", size=5_000_000)
    assert len(first.content) > 5_000_000
    assert_replayed(api.count("k", size=5_000_000), first)


# Time ----------------------------------------------------------------------------------------


def age(outside: psycopg.Connection[Any], key: str, how_long: str) -> None:
    outside.execute(
        "UPDATE autogpt_db.idempotency_key SET created_at = now() - %s::interval WHERE key = %s",
        (how_long, key),
    )


def test_a_reply_stands_for_a_day(api: Keyed, outside: psycopg.Connection[Any]) -> None:
    first = api.count("k")
    age(outside, "k", "23 hours 59 minutes")
    assert_replayed(api.count("k"), first)
    age(outside, "k", "24 hours 1 second")
    second = api.count("k", size=3)  # another content: the key is free again
    assert second.status_code == 200
    assert "idempotency-replayed" not in second.headers
    assert_replayed(api.count("k", size=3), second)
    assert counted(outside) == 2
    assert kept(outside) == [("count_up", "k", 200)]


def test_how_long_it_stands_is_a_setting(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    with Keyed(database_url, "idempotency.keep=60") as api:
        first = api.count("k")
        age(outside, "k", "59 seconds")
        assert_replayed(api.count("k"), first)
        age(outside, "k", "61 seconds")
        assert api.count("k").json().startswith("2 ")


def test_a_job_deletes_what_has_expired(
    database_url: str, outside: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autogpt_db.database.pool.idempotency.BATCH", 10)
    outside.execute(
        "INSERT INTO autogpt_db.idempotency_key (method, key, fingerprint, status, reply,"
        " created_at) SELECT 'm', number::text, '', 200, '', now() - number * interval '1 hour'"
        " FROM generate_series(1, 59) AS number"
    )

    async def main() -> Any:
        options = Settings(database=DatabaseSettings(url=Secret(with_schema(database_url))))
        async with Pool.open(options, size=1) as pool:
            job = discover()["clean_idempotency_keys"]
            handle: Any = pool.call(job.name, reads=False)
            with psycopg.connect(database_url) as other:
                other.execute("SELECT FROM autogpt_db.idempotency_key WHERE key = '59' FOR UPDATE")
                found = [await job.function(handle)]
                assert handle.statements == 4, "batches of ten"
            found.append(await job.function(handle))
            return found

    # One row is somebody else's just now, and is left for the next time.
    assert asyncio.run(main()) == [{"deleted": 35}, {"deleted": 1}]
    assert len(kept(outside)) == 23


@pytest.mark.parametrize(
    "assignment", ["worker.processes=0", "worker.idempotency_cleanup_schedule=never"]
)
def test_where_no_worker_deletes_what_has_expired_the_api_does(
    database_url: str, outside: psycopg.Connection[Any], assignment: str
) -> None:
    outside.execute(
        "INSERT INTO autogpt_db.idempotency_key (method, key, fingerprint, status, reply,"
        " created_at) SELECT 'm', number::text, '', 200, '', now() - number * interval '1 hour'"
        " FROM generate_series(23, 26) AS number"
    )
    with Keyed(database_url, assignment) as api:
        (record,) = wait_for(
            lambda: api.events("idempotency_keys_cleaned"), what="the record of the deletion"
        )
    assert record["deleted"] == 3
    assert kept(outside) == [("m", "23", 200)]


def test_what_could_not_be_deleted_is_told_and_holds_nothing_up(
    database_url: str, outside: psycopg.Connection[Any]
) -> None:
    outside.execute("ALTER TABLE autogpt_db.idempotency_key RENAME COLUMN created_at TO hidden")
    with Keyed(database_url, "worker.processes=0") as api:
        (record,) = wait_for(
            lambda: api.events("idempotency_keys_not_cleaned"), what="the record of the failure"
        )
        assert "(the schema autogpt_db) is incomplete" in record["reason"]
        assert api.count(None).status_code == 200


def test_where_a_worker_deletes_what_has_expired_the_api_does_not() -> None:
    assert not falls_to_api(Settings())


# All of it against a model -------------------------------------------------------------------


calls = st.tuples(
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["count_up", "count_up_elsewhere", "insert_or_count_up"]),
    st.sampled_from(["", "refused", "unavailable"]),
    st.integers(1, 4),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sequence=st.lists(calls, min_size=1, max_size=10))
def test_any_sequence_of_calls_is_as_the_model_says(
    api: Keyed,
    outside: psycopg.Connection[Any],
    sequence: list[tuple[str | None, str, str, int]],
) -> None:
    forget(outside)
    model: dict[tuple[str, str], tuple[dict[str, Any], int, bytes]] = {}
    count = 0
    for key, method, ending, at_once in sequence:
        content = {"counter": "c"} | ({"ending": ending} if method == "count_up" else {})
        status = {"": 200, "refused": 400, "unavailable": 503}[content.get("ending", "")]
        with ThreadPoolExecutor(at_once) as pool:
            replies = [
                future.result()
                for future in [
                    pool.submit(api.post, method, key, **content) for _ in range(at_once)
                ]
            ]
        if key is None:
            assert {reply.status_code for reply in replies} == {status}
            begins = method == "insert_or_count_up" and count == 0
            # Without a key nothing is undone: each statement stands by itself.
            count += at_once + (99 if begins else 0)
            continue
        known = model.get((method, key))
        if known is None and status != 503:
            (first,) = [one for one in replies if "idempotency-replayed" not in one.headers]
            known = model[method, key] = content, first.status_code, first.content
            assert first.status_code == status
            if status == 200:
                begins = method == "insert_or_count_up" and count == 0
                count += 100 if begins else 1
            replies.remove(first)
        for reply in replies:
            if known is None:
                assert reply.status_code == 503
            elif known[0] != content:
                assert reply.status_code == 422
            else:
                assert (reply.status_code, reply.content) == known[1:]
                assert reply.headers["idempotency-replayed"] == "true"
    assert counted(outside) == count
    assert {(method, key): status for method, key, status in kept(outside)} == {
        place: status for place, (_, status, _) in model.items()
    }
