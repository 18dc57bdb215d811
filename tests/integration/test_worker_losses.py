"""What goes wrong between the worker and its queue while PostgreSQL is well: no job hangs on it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db.worker import rescue
from autogpt_db.worker.observing import reason_of
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.runner import WorkerProcess
from worker_scenarios import Queries, enqueue, eventually, jobs_of, settings_for, working

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from autogpt_db.worker.handle import JobDatabase

OUTCOMES = "SELECT outcome FROM autogpt_db.job_run ORDER BY token"
# Whether the worker that has the job has shown signs of life for three seconds more.
ALIVE = """
SELECT max(worker.last_heartbeat) > %(since)s::timestamptz + interval '3 s'
  FROM autogpt_db.procrastinate_workers AS worker
  JOIN autogpt_db.procrastinate_jobs AS job ON job.worker_id = worker.id
"""


@asynccontextmanager
async def failing(url: str, queries: Queries, table: str, query: str) -> AsyncGenerator[None]:
    """Hold up the first statement like `query` that changes `table`, and end its session."""
    holder = Queries(url)
    holder.rows("BEGIN")
    holder.rows(f"SELECT FROM autogpt_db.{table} FOR UPDATE")
    yield
    await eventually(
        lambda: queries.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock' "
            "AND query LIKE %(query)s",
            query=query,
        )
    )
    holder.close()


def outcomes(queries: Queries) -> list[str | None]:
    return [row[0] for row in queries.rows(OUTCOMES)]


def test_a_run_whose_end_could_not_be_written_is_made_up_for(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url)
    may_end = asyncio.Event()

    async def nap(_database: JobDatabase) -> None:
        """End when it is let."""
        await may_end.wait()

    jobs = jobs_of(nap)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "nap")
            await eventually(lambda: outcomes(queries) == [None])
            async with failing(database_url, queries, "job_run", "%SET ended_at%"):
                may_end.set()
            await eventually(lambda: queries.statuses() == ["succeeded"])

    asyncio.run(main())
    assert outcomes(queries) == ["taken away", "succeeded"]


def test_a_sign_of_life_that_fails_hands_long_runs_back_and_costs_them_no_attempt(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url)
    released = asyncio.Event()

    async def doze(_database: JobDatabase) -> None:
        """Take as long as it has to."""
        await released.wait()

    jobs = jobs_of(doze)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "doze")
            await eventually(lambda: outcomes(queries) == [None])
            async with failing(database_url, queries, "procrastinate_workers", "%heartbeat%"):
                pass  # the next sign of life is never far
            await eventually(lambda: outcomes(queries) == ["handed back", None])
            released.set()
            await eventually(lambda: queries.statuses() == ["succeeded"])

    asyncio.run(main())
    assert queries.value("SELECT attempts FROM autogpt_db.procrastinate_jobs") == 1


def test_a_job_that_may_finish_after_a_stop_is_not_taken_away(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "HEARTBEAT", 0.2)
    monkeypatch.setattr(rescue, "STALLED", 1.0)
    monkeypatch.setattr(rescue, "LOOK", 0.2)
    settings = settings_for(database_url)
    released = asyncio.Event()

    async def doze(_database: JobDatabase) -> None:
        """Take as long as it has to."""
        await released.wait()

    jobs = jobs_of(doze)

    async def main() -> None:
        stopping = WorkerProcess(settings, jobs)
        stopped = asyncio.create_task(stopping.run())
        async with open_queue(settings, jobs) as queue:
            await enqueue(queue, "doze")
            await eventually(lambda: outcomes(queries) == [None])
            stopped_at = queries.value("SELECT clock_timestamp()")
            async with working(settings, jobs):  # would take over what seems dead
                stopping.stop()
                await eventually(
                    lambda: queries.value(ALIVE, since=stopped_at) or outcomes(queries) != [None]
                )
                assert outcomes(queries) == [None]
                released.set()
                await eventually(lambda: queries.statuses() == ["succeeded"])
                assert await stopped == 0

    asyncio.run(main())
    assert outcomes(queries) == ["succeeded"]


def test_a_failed_job_s_reason_quotes_no_statement_and_no_row(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for statement, told in (
            (
                "SELECT 'hunter2'::int",
                "InvalidTextRepresentation, SQLSTATE 22P02: the log has more",
            ),
            ("SELECT 'hunter2' FROM nowhere", 'relation "nowhere" does not exist'),
        ):
            with pytest.raises(psycopg.Error, match="hunter2") as failed:
                connection.execute(statement)
            assert reason_of(failed.value, 1.0) == told
            connection.rollback()
    assert reason_of(TimeoutError(), 2.5) == "beyond its limit of 2.5 s"
    assert reason_of(ValueError("no luck"), 1.0) == "no luck"


def test_a_failure_told_in_odd_characters_is_kept(database_url: str, queries: Queries) -> None:
    settings = settings_for(database_url)

    async def stumble(_database: JobDatabase) -> None:
        """Fail with what PostgreSQL takes into no text."""
        raise ValueError("no\0luck")

    jobs = jobs_of(stumble, attempts=1)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "stumble")
            await eventually(lambda: queries.statuses() == ["failed"])

    asyncio.run(main())
    assert (
        queries.value("SELECT reason FROM autogpt_db.job_run") == "no\N{REPLACEMENT CHARACTER}luck"
    )
