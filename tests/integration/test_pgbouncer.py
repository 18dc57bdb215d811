"""Calls through a real PgBouncer in transaction mode, whose server goes away."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from api_process import ApiProcess, read_reply, request
from autogpt_db.database.pool import Pool
from autogpt_db.errors import CallError, OutcomeUnknownError
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from pgbouncer import PGBOUNCER, PgBouncer
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = 10


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    with PgBouncer(f"{database_url}&schema=platform") as running:
        yield running.url


def test_a_server_that_ends_a_session_before_its_commit_leaves_the_outcome_unknown(
    pooled_url: str, database_url: str
) -> None:
    """Both PgBouncer and the server say so: two errors for one COMMIT."""
    settings = Settings(database=DatabaseSettings(url=Secret(pooled_url), pool_size=2))

    async def main() -> list[str]:
        ends = []
        with psycopg.connect(database_url, autocommit=True) as outside:
            async with Pool.open(settings) as pool:
                for _ in range(TIMES):
                    try:
                        async with pool.call("test", reads=False).transaction() as transaction:
                            row = await transaction.row("SELECT pg_backend_pid()")
                            assert row is not None
                            terminate(outside, row[0])
                    except CallError as error:
                        ends.append(type(error).__name__)
        return ends

    assert asyncio.run(main()) == [OutcomeUnknownError.__name__] * TIMES


def test_calls_with_keys_that_are_merged_are_done_once_whatever_session_they_get(
    pooled_url: str, database_url: str
) -> None:
    with ApiProcess(pooled_url) as api, ExitStack() as stack:

        def send_all() -> list[tuple[int, bool, bytes]]:
            connections = [stack.enter_context(api.connect()) for _ in range(40)]
            for number, connection in enumerate(connections):
                value = {"user_id": "u", "node_exec_id": "n", "key": f"k{number}", "data": [number]}
                body = json.dumps(value).encode()
                connection.sendall(
                    request("set_execution_kv_data", body, f"idempotency-key: {number}")
                )
            replies = [read_reply(connection) for connection in connections]
            return [
                (status, "idempotency-replayed" in headers, body)
                for status, headers, body in replies
            ]

        assert send_all() == [(200, False, b"[%d]" % number) for number in range(40)]
        assert send_all() == [(200, True, b"[%d]" % number) for number in range(40)]
        with psycopg.connect(database_url) as outside:
            found = outside.execute("SELECT count(*) FROM autogpt_db.idempotency_key").fetchone()
            locks = outside.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchone()
        assert (found, locks) == ((40,), (0,))


def terminate(outside: psycopg.Connection[tuple[object, ...]], pid: int) -> None:
    outside.execute("SELECT pg_terminate_backend(%s)", (pid,))
    wait_for(
        lambda: (
            not outside.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchall()
        )
    )
