"""What is acknowledged is on the synchronous standby, too, whoever cancels the wait for it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.errors import OutcomeUnknownError
from postgres_server import PostgresServer, clone
from service import Service
from worker_scenarios import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUMENTS = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": 1}
WAITING = """
SELECT pid, query_start
  FROM pg_stat_activity
 WHERE wait_event = 'SyncRep'
   AND query_start > %s
"""


@pytest.fixture
def url() -> Iterator[str]:
    with PostgresServer({"synchronous_commit": "on"}) as server:
        found = clone(server, None, "own")
        with psycopg.connect(found, autocommit=True) as connection:
            migrate(connection, schema_name="platform", create=True)
        yield found


@pytest.fixture
def outside(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        # From here on every commit waits for a standby that isn't there.
        name_standbys(connection, "*")
        yield connection


def name_standbys(connection: psycopg.Connection[tuple[object, ...]], names: str) -> None:
    connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'".encode())
    connection.execute("SELECT pg_reload_conf()")


async def end_waits(outside: psycopg.Connection[tuple[object, ...]], functions: list[str]) -> None:
    """End one wait for the standby after the other."""
    since: object = "-infinity"
    for function in functions:
        ((pid, since),) = await eventually(
            lambda since=since: outside.execute(WAITING, (since,)).fetchall()
        )
        outside.execute(f"SELECT {function}(%s)".encode(), (pid,))


def test_a_cancelled_wait_for_the_standby_is_waited_again(
    url: str, outside: psycopg.Connection[tuple[object, ...]]
) -> None:
    with Service(url) as service:

        async def main() -> bytes:
            call = asyncio.create_task(
                service.started("set_execution_kv_data", json.dumps(ARGUMENTS).encode())
            )
            await end_waits(outside, ["pg_cancel_backend"] * 3)
            assert not call.done(), call.result()
            name_standbys(outside, "")
            return await call

        assert json.loads(service.run(main())) == 1


def test_a_connection_that_ends_in_that_wait_leaves_the_outcome_unknown(
    url: str, outside: psycopg.Connection[tuple[object, ...]]
) -> None:
    with Service(url) as service:

        async def main() -> bytes:
            call = asyncio.create_task(
                service.started("set_execution_kv_data", json.dumps(ARGUMENTS).encode())
            )
            await end_waits(outside, ["pg_cancel_backend", "pg_terminate_backend"])
            return await call

        with pytest.raises(OutcomeUnknownError):
            service.run(main())
        name_standbys(outside, "")
