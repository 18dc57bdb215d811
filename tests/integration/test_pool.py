"""The pool: bounded, checked cheaply, retrying what is safe, never waiting for the dead."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from autogpt_db.database.pool import Call, Pool
from autogpt_db.database.pool.metrics import PoolMetrics
from autogpt_db.errors import (
    DatabaseUnavailableError,
    DeadlineExceededError,
    ForeignKeyViolationError,
    InvalidValueError,
    OutcomeUnknownError,
    PoolExhaustedError,
    UniqueViolationError,
)
from autogpt_db.metrics.growth import SLOW_STATEMENT, Growth, slow_statements
from autogpt_db.metrics.layout import DIRECTORY
from autogpt_db.metrics.reading import read_all
from autogpt_db.metrics.store import Store
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import with_schema
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

KILL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
# So often that the shortest commands are hit as well.
CANCEL_OTHERS = (
    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity, generate_series(1, 2000) "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def settings_for(url: str, **options: Any) -> Settings:
    options = {"pool_size": 4} | options
    return Settings(database=DatabaseSettings(url=Secret(with_schema(url)), **options))


def asked(pool: Pool) -> Call:
    return pool.call("test", reads=False)


def run(url: str, scenario: Callable[[Pool], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with Pool.open(settings_for(url, **options)) as pool:
            assert await pool.wait(PATIENCE)
            await scenario(pool)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def sleeping(observer: psycopg.Connection[tuple[Any, ...]]) -> list[int]:
    """Return the pids of this database's sessions that are in `pg_sleep`."""
    return waiting_in("PgSleep", observer)


def waiting_at_gate(observer: psycopg.Connection[tuple[Any, ...]]) -> list[int]:
    """Return the pids of this database's sessions that wait for an advisory lock."""
    return waiting_in("advisory", observer)


def waiting_in(event: str, observer: psycopg.Connection[tuple[Any, ...]]) -> list[int]:
    return [
        pid
        for (pid,) in observer.execute(
            "SELECT pid FROM pg_stat_activity WHERE wait_event = %s"
            " AND datname = current_database()",
            [event],
        ).fetchall()
    ]


def test_a_document_comes_as_the_bytes_that_postgresql_wrote(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        text = """SELECT '{"b": 1, "a":  [true, null, "ü"]}'::json"""
        assert await asked(pool).json(text) == '{"b": 1, "a":  [true, null, "ü"]}'.encode()
        assert await asked(pool).json("SELECT NULL::json") is None
        assert await asked(pool).json("SELECT '1'::json WHERE false") is None
        assert await asked(pool).row("SELECT %(x)s::int, 'y'", {"x": 3}) == (3, "y")
        assert await asked(pool).rows("SELECT generate_series(1, 3)") == [(1,), (2,), (3,)]

    run(database_url, scenario)


def test_times_are_utc_and_names_are_found_without_a_path_of_ours(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        shown = await asked(pool).row(
            "SELECT current_setting('TimeZone'), current_setting('search_path'), "
            "current_setting('statement_timeout')"
        )
        assert shown == ("UTC", '"platform",public,extensions', "55s")

    run(database_url, scenario)


def test_statements_are_prepared_but_not_behind_a_transaction_pooler(database_url: str) -> None:
    async def prepared(pool: Pool) -> int:
        async with asked(pool).transaction() as inside:
            await inside.row("SELECT 41 + %(x)s::int", {"x": 1})
            row = await inside.row("SELECT count(*) FROM pg_prepared_statements")
            assert row is not None
            return int(row[0])

    async def direct(pool: Pool) -> None:
        assert await prepared(pool) > 0

    async def pooled(pool: Pool) -> None:
        assert await prepared(pool) == 0

    run(database_url, direct)
    run(f"{database_url}&pgbouncer=true", pooled)


def test_another_schema_name_reaches_every_statement(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "o""dd"')
        connection.execute('CREATE TABLE "o""dd".place AS SELECT 7 AS number')

    async def scenario(pool: Pool) -> None:
        assert await asked(pool).row("SELECT number FROM platform.place") == (7,)

    run(f"{database_url}&schema=o%22dd", scenario)


def test_driver_errors_become_ours_by_name(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(InvalidValueError):
            await asked(pool).row("SELECT 'x'::int")
        with pytest.raises(InvalidValueError, match="NUL"):
            await asked(pool).row("SELECT %(x)s::text", {"x": "a\0b"})
        with pytest.raises(ForeignKeyViolationError, match="AgentGraph_userId_fkey"):
            await asked(pool).execute(
                'INSERT INTO platform."AgentGraph" (id, "userId") VALUES (%(x)s, %(x)s)',
                {"x": "nobody"},
            )
        insert = (
            "INSERT INTO platform.\"User\" (id, email, \"updatedAt\") VALUES ('1', 'a@b.c', now())"
        )
        assert await asked(pool).execute(insert) == 1
        with pytest.raises(UniqueViolationError, match="`id`"):
            await asked(pool).execute(insert)
        assert await asked(pool).row("SELECT 1") == (1,), "the connection stays usable"

    run(database_url, scenario)


def test_a_read_survives_the_death_of_its_connection(database_url: str) -> None:
    """At a gate, so that all four are under way together however slow the machine is."""

    async def scenario(pool: Pool) -> None:
        with psycopg.connect(database_url, autocommit=True) as killer:
            for _ in range(5):
                killer.execute("SELECT pg_advisory_lock(1)")
                reads = [
                    asyncio.create_task(
                        pool.call("read", reads=True).row(
                            "SELECT 1 FROM pg_advisory_xact_lock_shared(1)"
                        )
                    )
                    for _ in range(4)
                ]
                await until(lambda: len(waiting_at_gate(killer)) == 4)
                await asyncio.to_thread(killer.execute, KILL_OTHERS)
                killer.execute("SELECT pg_advisory_unlock(1)")
                assert await asyncio.gather(*reads) == [(1,)] * 4

    run(database_url, scenario)


def test_a_write_whose_connection_died_has_an_unknown_outcome(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        write = asyncio.create_task(
            pool.call("write", reads=False).row("SELECT 1 FROM pg_sleep(5)")
        )
        with psycopg.connect(database_url, autocommit=True) as killer:
            await until(lambda: bool(sleeping(killer)))
            killer.execute(KILL_OTHERS)
        with pytest.raises(OutcomeUnknownError) as caught:
            await write
        assert caught.value.status == 503
        assert caught.value.wire_type == "ConnectionError"
        assert caught.value.retry_after

    run(database_url, scenario)


def test_connections_that_died_while_idle_cost_no_write_anything(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with psycopg.connect(database_url, autocommit=True) as killer:
            for _ in range(5):
                assert await pool.wait(PATIENCE)
                killer.execute(KILL_OTHERS)
                while killer.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                ).fetchone() != (1,):
                    await asyncio.sleep(0.01)
                handle = pool.call("write", reads=False)
                assert await handle.row("SELECT 1") == (1,)
                assert handle.statements == 1

    run(database_url, scenario)


def test_who_comes_alone_gets_the_connection_that_was_used_last(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        assert await pool.wait(PATIENCE)
        used = {await asked(pool).row("SELECT pg_backend_pid()") for _ in range(16)}
        assert len(used) < 8, "taken in turn all would have been; the pool's own looks take a few"

    run(database_url, scenario, pool_size=8)


def test_a_full_queue_refuses_at_once_and_a_short_one_waits(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        sleeping = [
            asyncio.create_task(pool.call(f"s{n}", reads=True).row("SELECT pg_sleep(2)"))
            for n in range(4)
        ]
        await until(lambda: pool.figures().in_use == 4)
        waiting = [
            asyncio.create_task(pool.call("w", reads=True).row("SELECT 1")) for n in range(3)
        ]
        await until(lambda: pool.figures().waiting == 3)
        await until(lambda: pool.figures().longest_holder_seconds > 0.1)
        figures = pool.figures()
        assert (figures.size, figures.in_use, figures.waiting) == (4, 4, 3)
        assert figures.longest_holder in {"s0", "s1", "s2", "s3"}
        with pytest.raises(PoolExhaustedError):
            await pool.call("refused", reads=True).row("SELECT 1")
        assert not any(task.done() for task in sleeping), "refused at once"
        await asyncio.gather(*sleeping, *waiting)
        assert pool.figures().in_use == 0

    run(database_url, scenario, pool_max_waiting=3)


def test_a_call_waits_for_a_connection_no_longer_than_its_deadline(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        sleeping = [
            asyncio.create_task(pool.call("s", reads=True).row("SELECT pg_sleep(3)"))
            for _ in range(4)
        ]
        await until(lambda: pool.figures().in_use == 4)
        started = time.monotonic()
        late = pool.call("late", reads=True, deadline=started + 0.2)
        with pytest.raises(DatabaseUnavailableError):
            await late.row("SELECT 1")
        assert time.monotonic() - started > 0.15
        assert not any(task.done() for task in sleeping)
        with pytest.raises(DeadlineExceededError):
            await late.row("SELECT 1")
        await asyncio.gather(*sleeping)

    run(database_url, scenario)


def test_a_cancelled_read_gives_its_connection_back(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        handle = pool.call("read", reads=True)
        task = asyncio.create_task(handle.row("SELECT pg_sleep(30)"))
        with psycopg.connect(database_url, autocommit=True) as observer:
            await until(lambda: bool(sleeping(observer)))
        task.cancel()
        handle.abandon()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.figures().in_use == 0
        assert pool.figures().size == 4

    run(database_url, scenario)


def test_statements_are_timed_by_who_sent_them_however_they_end(
    database_url: str, tmp_path: Path
) -> None:
    slow = {"seconds": 2 * SLOW_STATEMENT}

    async def scenario(pool: Pool) -> None:
        await pool.call("alone", reads=True).row("SELECT pg_sleep(%(seconds)s)", slow)
        await pool.call("alone", reads=True).row("SELECT 1")
        async with pool.call("together", reads=False).transaction() as inside:
            await inside.row("SELECT pg_sleep(%(seconds)s)", slow)
        with pytest.raises(InvalidValueError):
            await pool.call("failing", reads=True).row("SELECT repeat('x', -1)::json")
        left = asyncio.create_task(pool.call("left", reads=True).row("SELECT pg_sleep(30)"))
        with psycopg.connect(database_url, autocommit=True) as observer:
            await until(lambda: bool(sleeping(observer)))
        await asyncio.sleep(SLOW_STATEMENT)  # it has taken so long by then, at least
        left.cancel()
        await asyncio.wait([left])
        (tmp_path / DIRECTORY).mkdir()
        store, growth = Store(tmp_path, "api_00"), Growth()
        growth.take([])
        metrics = PoolMetrics(pool, store)
        for _ in range(2):
            metrics.publish()  # the second time nothing more
        growth.take(read_all(tmp_path))
        store.close()
        assert sum(growth.statements["failing"][:-1]) == 1
        found = {one["name"]: one for one in slow_statements(growth.statements)}
        assert set(found) >= {"alone", "together", "left"}
        assert "failing" not in found
        assert [found["alone"][key] for key in ("count", "slow")] == [2, 1]
        assert slow["seconds"] <= found["together"]["seconds"] < 30

    run(database_url, scenario)


def test_a_frozen_backend_is_closed_hard(database_url: str) -> None:
    import os
    import signal

    async def scenario(pool: Pool) -> None:
        handle = pool.call("frozen", reads=True)
        task = asyncio.create_task(handle.row("SELECT pg_sleep(30)"))
        with psycopg.connect(database_url, autocommit=True) as observer:
            await until(lambda: bool(sleeping(observer)))
            (pid,) = sleeping(observer)
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            task.cancel()
            handle.abandon()
            with contextlib.suppress(asyncio.CancelledError, DatabaseUnavailableError):
                await task
            assert time.monotonic() - started < 25, "pg_sleep was not waited for"
            assert await pool.wait(PATIENCE), "its place is filled again"
        finally:
            os.kill(pid, signal.SIGCONT)

    run(database_url, scenario)


def test_a_transaction_is_all_or_nothing(database_url: str) -> None:
    insert = "INSERT INTO things VALUES (%(x)s)"

    async def scenario(pool: Pool) -> None:
        await asked(pool).execute("CREATE TABLE things (x int PRIMARY KEY)")
        with pytest.raises(UniqueViolationError):
            async with asked(pool).transaction() as inside:
                await inside.execute(insert, {"x": 1})
                await inside.execute(insert, {"x": 1})
        assert await asked(pool).row("SELECT count(*) FROM things") == (0,)
        async with asked(pool).transaction() as inside:
            await inside.execute(insert, {"x": 1})
            async with inside.transaction() as deeper:
                await deeper.execute(insert, {"x": 2})
        assert await asked(pool).row("SELECT count(*) FROM things") == (2,)
        assert msgspec.json.encode(pool.figures().in_use) == b"0"

    run(database_url, scenario)


def test_what_cancels_a_savepoint_fails_the_transaction_by_name(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        ended = threading.Event()
        storm = threading.Thread(target=cancel_others, args=(database_url, ended))
        try:
            with pytest.raises(DeadlineExceededError, match="nothing was written"):
                async with asked(pool).transaction() as inside:
                    await inside.make_undoable()
                    await inside.row("SELECT 1")
                    storm.start()
                    while True:
                        with contextlib.suppress(DeadlineExceededError):
                            await inside.row("SELECT 1")
                            continue
                        # It may have been taken back alone; if not, the transaction is over.
                        await inside.row("SELECT 2")
        finally:
            ended.set()
            if storm.is_alive():
                storm.join()
        assert await asked(pool).row("SELECT 1") == (1,)

    run(database_url, scenario, pool_size=1)


def cancel_others(url: str, ended: threading.Event) -> None:
    """Cancel what runs in a database, again and again."""
    with psycopg.connect(url, autocommit=True) as connection:
        while not ended.is_set():
            connection.execute(CANCEL_OTHERS)
