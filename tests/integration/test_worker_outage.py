"""PostgreSQL away, restarted, frozen, or behind a transaction pooler: the worker goes on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.database.url import DatabaseUrl
from autogpt_db.worker import connecting, runner, standing
from autogpt_db.worker import queue as queue_module
from autogpt_db.worker.queue import open_queue
from pgbouncer import PGBOUNCER, PgBouncer
from waiting import BUSY
from worker_scenarios import (
    EVERY_SECOND,
    Queries,
    enqueue,
    eventually,
    jobs_of,
    settings_for,
    with_parameter,
    working,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from autogpt_db.database.pool import Database
    from postgres_server import PostgresServer


class Relay:
    """Stands between the worker and PostgreSQL: can be cut, or swallow everything."""

    def __init__(self, target: DatabaseUrl, directory: Path) -> None:
        self.target = target
        self.directory = directory
        self.frozen = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        parameters = {**self.target.parameters, "host": str(self.directory), "port": "5432"}
        relayed = DatabaseUrl(parameters=parameters).display(reveal=True)
        return with_parameter(relayed, f"schema={self.target.schema}")

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(
            self._relay, self.directory / ".s.PGSQL.5432"
        )

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        (self.directory / ".s.PGSQL.5432").unlink(missing_ok=True)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = self.target.parameters["host"]
        port = self.target.parameters.get("port", "5432")
        if host.startswith("/"):
            there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            there = await asyncio.open_connection(host, int(port))
        self._writers |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not self.frozen:
                    sink.write(data)
                    await sink.drain()
        sink.close()
        with contextlib.suppress(OSError):
            await sink.wait_closed()


@asynccontextmanager
async def relay_to(url: str) -> AsyncGenerator[Relay]:
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir="/tmp"))
    relay = Relay(DatabaseUrl.parse(url), directory)
    await relay.open()
    try:
        yield relay
    finally:
        await relay.cut()
        shutil.rmtree(directory)


async def tick(database: Database) -> None:
    """Reach the database, nothing else."""
    await database.row("SELECT 1")


def done(queries: Queries) -> int:
    return queries.statuses().count("succeeded")


async def one_more(queries: Queries) -> None:
    before = done(queries)
    await eventually(lambda: done(queries) > before)


def test_the_worker_outlives_an_outage_and_goes_on(
    own_server: PostgresServer, own_database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(own_database_url.partition("&schema=")[0], autocommit=True) as connection:
        migrate(connection, schema_name="platform", create=True)
    outside = Queries(own_database_url)

    async def main() -> None:
        settings = settings_for(own_database_url, schedule=EVERY_SECOND)
        async with working(settings, jobs_of(tick)):
            await eventually(lambda: done(outside) >= 1)
            outside.close()
            own_server.stop()
            await eventually(lambda: "queue_lost" in capfd.readouterr().out)
            own_server.start()
            began = time.monotonic()
            back = Queries(own_database_url)
            await one_more(back)
            print(f"resumed {time.monotonic() - began:.1f} s after PostgreSQL")
            assert time.monotonic() - began < 5 * BUSY
            back.close()

    asyncio.run(main())


def test_the_worker_starts_before_postgresql_and_stops_without_it(
    database_url: str, queries: Queries, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        async with relay_to(database_url) as relay:
            await relay.cut()
            settings = settings_for(relay.url, schedule=EVERY_SECOND)
            async with working(settings, jobs_of(tick)) as process:
                await eventually(lambda: "queue_lost" in capfd.readouterr().out)
                await relay.open()
                await eventually(lambda: done(queries) >= 1)
                await relay.cut()
                began = time.monotonic()
                process.stop()
            assert time.monotonic() - began < 8 * BUSY

    asyncio.run(main())


def test_missing_tables_are_named_and_waited_for(
    database_url: str, queries: Queries, capfd: pytest.CaptureFixture[str]
) -> None:
    queries.rows("ALTER SCHEMA autogpt_db RENAME TO elsewhere")

    async def main() -> None:
        settings = settings_for(database_url, schedule=EVERY_SECOND)
        async with working(settings, jobs_of(tick)):
            await eventually(lambda: "its tables are missing" in capfd.readouterr().out)
            queries.rows("ALTER SCHEMA elsewhere RENAME TO autogpt_db")
            await eventually(lambda: done(queries) >= 1)

    asyncio.run(main())


def test_a_queue_that_opens_and_is_closed_to_us_is_lost_once_and_not_ready_each_time(
    database_url: str,
    queries: Queries,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "STEADY", 2.0)
    said = ""

    def times(event: str) -> int:
        nonlocal said
        said += capfd.readouterr().out
        return said.count(event)

    def opened() -> int:
        """Return how many sessions this database has had; those that last are counted later."""
        return int(
            queries.value(
                "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
            )
        )

    async def main() -> None:
        settings = settings_for(database_url, schedule=EVERY_SECOND)
        async with working(settings, jobs_of(tick)):
            await eventually(lambda: done(queries) >= 1)
            assert times("worker_ready") == 1
            queries.rows("ALTER TABLE autogpt_db.job_run RENAME TO elsewhere")
            await eventually(lambda: times("queue_lost") == 1)
            before = opened()
            # Each try has three: one that is asked before, one for statements, one that listens.
            await eventually(lambda: opened() >= before + 12)
            assert (times("queue_lost"), times("worker_ready")) == (1, 1)
            queries.rows("ALTER TABLE autogpt_db.elsewhere RENAME TO job_run")
            await one_more(queries)
            await eventually(lambda: times("worker_ready") == 2)
            assert times("queue_lost") == 1

    asyncio.run(main())


def test_every_session_being_ended_costs_no_tick(database_url: str, queries: Queries) -> None:
    async def main() -> None:
        settings = settings_for(database_url, schedule=EVERY_SECOND)
        async with working(settings, jobs_of(tick)):
            for _ in range(3):
                await one_more(queries)
                queries.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await one_more(queries)

    asyncio.run(main())


def test_a_server_that_answers_no_more_is_left_behind(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connecting, queue_module):
        monkeypatch.setattr(module, "STATEMENT_LIMIT", 1.0)

    async def main() -> None:
        async with relay_to(database_url) as relay:
            settings = settings_for(relay.url, schedule=EVERY_SECOND)
            async with working(settings, jobs_of(tick, time_limit=2)):
                await eventually(lambda: done(queries) >= 1)
                relay.frozen = True
                await asyncio.sleep(3)
                relay.frozen = False
                before = done(queries)
                await eventually(lambda: done(queries) > before)

    asyncio.run(main())


# Behind a transaction pooler --------------------------------------------------------------------


def test_behind_a_pooler_nothing_stays_in_the_session(database_url: str, queries: Queries) -> None:
    pooled = with_parameter(database_url, "pgbouncer=true")
    settings = settings_for(pooled)
    path = queries.value("SHOW search_path")

    async def main() -> None:
        async with open_queue(settings, jobs_of(tick)) as queue, working(settings, jobs_of(tick)):
            assert not queue.listens
            for _ in range(7):  # psycopg prepares what it has sent five times
                await queue.connector.execute_query_all_async(
                    "SELECT id FROM procrastinate_jobs WHERE id = %(id)s", id=0
                )
            async with queue.pool.connection() as connection:
                shown = await (await connection.execute("SHOW search_path")).fetchone()
                prepared = await (
                    await connection.execute("SELECT name FROM pg_prepared_statements")
                ).fetchall()
            assert shown == (path,)
            assert prepared == []
            await enqueue(queue, "tick")
            await eventually(lambda: done(queries) == 1)
            assert not queries.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'")

    asyncio.run(main())


@pytest.fixture
def pgbouncer(database_url: str) -> Iterator[str]:
    """A real pgbouncer in transaction mode, with one server connection; yields its URL."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    with PgBouncer(database_url) as running:
        yield running.url


def test_two_workers_share_one_server_connection_behind_pgbouncer(
    pgbouncer: str, queries: Queries
) -> None:
    settings = settings_for(pgbouncer, schedule=EVERY_SECOND)

    async def main() -> None:
        async with working(settings, jobs_of(tick)), working(settings, jobs_of(tick)):
            await eventually(lambda: done(queries) >= 2)

    asyncio.run(main())
    ticks = queries.rows(
        "SELECT args->>'timestamp', count(*) FROM autogpt_db.procrastinate_jobs GROUP BY 1"
    )
    assert {count for _, count in ticks} == {1}


def test_direct_url_is_preferred_and_brings_notifications_back(
    pgbouncer: str, database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "POLL", 3600.0)  # what is found is found by being announced
    settings = settings_for(pgbouncer, direct_url=database_url)

    async def main() -> None:
        async with open_queue(settings, jobs_of(tick)) as queue, working(settings, jobs_of(tick)):
            assert queue.listens
            await eventually(
                lambda: queries.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'")
            )
            await enqueue(queue, "tick")
            await eventually(lambda: done(queries) == 1)

    asyncio.run(main())
