"""AutoGPT migrates while we run: nobody gets an answer that was never right."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import plain_http
from api_process import ApiProcess
from upstream_manager import UpstreamManager
from waiting import BUSY, PATIENCE, wait_for

READ, WRITE = "get_execution_kv_data", "set_execution_kv_data"
COLUMN = 'platform."AgentNodeExecutionKeyValueData" RENAME COLUMN'
MISSING = 'column "AgentNodeExecutionKeyValueData"."data"'
ARGUMENTS = {"user_id": "u", "key": "k"}
WRITTEN = ARGUMENTS | {"node_exec_id": "n", "data": 1}
NAMED = {"x-request-id": "a-head-that-is-not-remembered"}


@pytest.fixture
def url(release_database: Callable[..., str]) -> str:
    return release_database("v0.6.48", ours=True)


@pytest.fixture
def theirs(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield AutoGPT's own connection."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO platform."User" ("id", "email", "updatedAt") VALUES (%s, %s, now())',
            ("u", "u@example.org"),
        )
        yield connection


def status(api: ApiProcess, method: str, **headers: str) -> int:
    return api.client.post(f"/{method}", json=ARGUMENTS, headers=headers).status_code


def test_a_method_goes_and_comes_with_what_it_needs(
    url: str, theirs: psycopg.Connection[Any]
) -> None:
    with ApiProcess(url) as api:
        assert status(api, READ) == 200
        theirs.execute(f'ALTER TABLE {COLUMN} "data" TO "other"'.encode())
        # A call that meets the change itself is told to come again, never that it was wrong.
        first = api.client.post(f"/{READ}", json=ARGUMENTS)
        assert (first.status_code, first.headers.get("retry-after")) in {(503, "1"), (404, None)}
        for headers in ({}, NAMED):
            reply = api.client.post(f"/{READ}", json=ARGUMENTS, headers=headers)
            assert (reply.status_code, reply.content) == (404, b'{"detail":"Not Found"}')
        (told,) = api.events("methods_not_served")
        assert told["methods"] == [READ, WRITE]
        assert told["missing"] == [MISSING]
        assert told["release"] == "v0.6.48"
        (unknown,) = api.events("method_unknown")
        assert MISSING in unknown["reason"]
        assert api.call("get_user_by_id", user_id="u")["id"] == "u"
        theirs.execute(f'ALTER TABLE {COLUMN} "other" TO "data"'.encode())
        wait_for(lambda: status(api, READ) == 200, seconds=5 * BUSY, what="the method")
        assert [one["methods"] for one in api.events("methods_served_again")] == [[READ, WRITE]]


def test_while_a_migration_is_under_way_what_is_missing_may_come(
    url: str, theirs: psycopg.Connection[Any]
) -> None:
    with ApiProcess(url) as api:
        theirs.execute("""
            INSERT INTO platform._prisma_migrations (id, checksum, migration_name)
            VALUES ('m', 'x', '20270101000000_under_way')
        """)
        theirs.execute(f'ALTER TABLE {COLUMN} "data" TO "other"'.encode())
        for headers in ({}, NAMED, {"idempotency-key": "k"}) * 2:
            reply = api.client.post(f"/{WRITE}", json=WRITTEN, headers=headers)
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "1"
            assert reply.json()["type"] == "ConnectionError"
        theirs.execute("UPDATE platform._prisma_migrations SET finished_at = now() WHERE id = 'm'")
        wait_for(
            lambda: status(api, READ) == 404, seconds=5 * BUSY, what="the end of the migration"
        )


def test_while_a_migration_is_under_way_an_argument_may_find_its_place(
    url: str, theirs: psycopg.Connection[Any]
) -> None:
    run = {
        "graph_id": "g", "graph_version": 1, "starting_nodes_input": [], "inputs": {},
        "user_id": "u", "expert_id": "x",
    }  # fmt: skip
    calls = [
        ("create_graph_execution", run),
        ("create_graph_execution", run | {"inputs": {"of a helper": "x" * 100_000}}),
        ("list_library_agents", {"user_id": "u", "sort_by": "lastRunAt"}),
    ]
    roads: list[dict[str, str]] = [{}, NAMED, {"idempotency-key": "k"}]

    def answered(status: int) -> bool:
        replies = [
            api.client.post(f"/{method}", json=given, headers=headers)
            for method, given in calls
            for headers in roads
        ]
        if status == 503:
            replies = [one for one in replies if one.headers.get("retry-after") == "1"]
        return [one.status_code for one in replies] == [status] * len(calls) * len(roads)

    with ApiProcess(url) as api:
        assert answered(422)
        theirs.execute("""
            INSERT INTO platform._prisma_migrations (id, checksum, migration_name)
            VALUES ('m', 'x', '20270101000000_under_way')
        """)
        wait_for(lambda: answered(503), seconds=5 * BUSY, what="the migration to be noticed")
        theirs.execute("UPDATE platform._prisma_migrations SET finished_at = now() WHERE id = 'm'")
        wait_for(lambda: answered(422), seconds=5 * BUSY, what="the end of the migration")


def test_what_is_missing_is_passed_on(url: str, theirs: psycopg.Connection[Any]) -> None:
    theirs.execute(f'ALTER TABLE {COLUMN} "data" TO "other"'.encode())
    with UpstreamManager() as upstream, ApiProcess(url, f"api.fallback_url={upstream.url}") as api:
        reply = api.client.post(f"/{READ}", json=ARGUMENTS)
        assert reply.status_code == 404  # the other side's answer: it has no such method either
        assert [one["method"] for one in api.events("method_passed_on")] == [READ]
        assert api.events("method_unknown") == []


@pytest.mark.parametrize("method", ["folders_alone", "folders_together"])
def test_statements_are_put_together_anew_and_nobody_notices(
    url: str, theirs: psycopg.Connection[Any], method: str
) -> None:
    answers: Counter[tuple[int, str]] = Counter()
    ended = threading.Event()

    def play() -> None:
        with plain_http.client(base_url=api.base, timeout=30) as client:
            while not ended.wait(0.02):
                reply = client.post(f"/{method}", json={"user_id": "u"})
                answers[reply.status_code, reply.text] += 1

    def came(wanted: tuple[int, str]) -> Callable[[], bool]:
        before = answers[wanted]
        return lambda: answers[wanted] > before + 20

    without, with_them = (200, '"without"'), (200, '"with"')
    with ApiProcess(url, modules=("schema_operations",)) as api:
        players = [threading.Thread(target=play) for _ in range(8)]
        for player in players:
            player.start()
        try:
            wait_for(came(without), what="calls")
            for _ in range(3):
                theirs.execute('ALTER TABLE platform."LibraryAgent" ADD COLUMN "folderId" text')
                wait_for(came(with_them), seconds=5 * BUSY, what="the new form")
                theirs.execute('ALTER TABLE platform."LibraryAgent" DROP COLUMN "folderId"')
                wait_for(came(without), seconds=5 * BUSY, what="the old form")
        finally:
            ended.set()
            for player in players:
                player.join(PATIENCE)
    assert set(answers) == {without, with_them}


def test_tables_that_are_made_anew_are_waited_for(
    url: str, theirs: psycopg.Connection[Any]
) -> None:
    with ApiProcess(url) as api:
        theirs.execute("DROP TABLE platform._prisma_migrations")
        theirs.execute("ALTER SCHEMA platform RENAME TO put_aside; CREATE SCHEMA platform")
        wait_for(lambda: api.events("methods_not_served"), seconds=10 * BUSY, what="a look")
        for headers in ({}, NAMED):
            reply = api.client.post(f"/{READ}", json=ARGUMENTS, headers=headers)
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        theirs.execute("DROP SCHEMA platform; ALTER SCHEMA put_aside RENAME TO platform")
        wait_for(lambda: status(api, READ) == 200, seconds=5 * BUSY, what="the method")


def test_a_role_of_its_own_behind_the_pooler_is_told_of(
    url: str, theirs: psycopg.Connection[Any]
) -> None:
    theirs.execute("""
        CREATE ROLE served LOGIN;
        GRANT USAGE ON SCHEMA platform, autogpt_db TO served;
        GRANT ALL ON ALL TABLES IN SCHEMA platform, autogpt_db TO served;
        REVOKE SELECT ON platform."AgentNodeExecutionKeyValueData" FROM served;
    """)
    address = url.replace("://postgres@", "://served@")
    try:
        with ApiProcess(address, environment={"DIRECT_URL": url}) as api:
            (told,) = api.events("methods_not_served")
            assert {READ, WRITE} <= set(told["methods"])
            assert 'GRANT SELECT ON "platform"."AgentNodeExecutionKeyValueData"' in told["remedy"]
            assert status(api, READ) == 404
            (grant,) = [one for one in told["remedy"].split(";") if "KeyValueData" in one]
            theirs.execute(grant.encode())
            wait_for(lambda: status(api, READ) == 200, seconds=5 * BUSY, what="the method")
    finally:
        theirs.execute("DROP OWNED BY served; DROP ROLE served")
