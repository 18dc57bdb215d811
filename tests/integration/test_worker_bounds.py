"""What one job may cost the others: connections, pauses, its place in the queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from autogpt_db.worker.connecting import QueuePool
from autogpt_db.worker.queue import open_queue
from waiting import PATIENCE
from worker_scenarios import Queries, enqueue, eventually, jobs_of, settings_for, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.worker.handle import JobDatabase


@pytest.fixture
def queries(database_url: str) -> Iterator[Queries]:
    found = Queries(database_url)
    yield found
    found.close()


def test_a_job_is_only_started_when_there_is_a_connection_for_it(
    database_url: str, queries: Queries
) -> None:
    found = settings_for(database_url)
    settings = msgspec.structs.replace(
        found,
        database=msgspec.structs.replace(found.database, pool_timeout=0.3),
        # Two of them are the queue's.
        worker=msgspec.structs.replace(found.worker, concurrency=2, pool_size=3),
    )

    async def hold(database: JobDatabase) -> None:
        """Keep a connection for longer than anybody waits for one."""
        await database.row("SELECT pg_sleep(1)")

    async def hold_too(database: JobDatabase) -> None:
        """Do the same beside it."""
        await hold(database)

    jobs = jobs_of(hold) | jobs_of(hold_too)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            for name in jobs:
                await enqueue(queue, name)
            await eventually(lambda: queries.statuses() == ["succeeded"] * 2)

    asyncio.run(main())
    assert queries.rows("SELECT attempt FROM autogpt_db.job_run") == [(1,), (1,)]


def test_the_pauses_between_attempts_grow_to_ten_minutes_and_no_further(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url)

    async def stumble(_database: JobDatabase) -> None:
        """Fail every time."""
        raise ValueError("no luck")

    jobs = jobs_of(stumble, attempts=20)

    async def pause_after(queue_attempts: int) -> float:
        queries.rows(
            "UPDATE autogpt_db.procrastinate_jobs SET attempts = %(attempts)s, scheduled_at = NULL",
            attempts=queue_attempts,
        )
        again = "SELECT scheduled_at FROM autogpt_db.procrastinate_jobs WHERE status = 'todo'"
        await eventually(lambda: queries.rows(again) not in ([], [(None,)]))
        seconds: float = queries.value(
            "SELECT EXTRACT(epoch FROM job.scheduled_at - run.ended_at)::float8 "
            "FROM autogpt_db.procrastinate_jobs AS job "
            "JOIN autogpt_db.job_run AS run ON run.job_id = job.id ORDER BY run.token DESC LIMIT 1"
        )
        return seconds

    async def main() -> list[float]:
        async with open_queue(settings, jobs) as queue:
            await enqueue(queue, "stumble")
            async with working(settings, jobs):
                return [await pause_after(spent) for spent in (0, 5, 9, 18)]

    for pause, bound in zip(asyncio.run(main()), (2, 64, 600, 600), strict=True):
        assert bound / 2 - 1 <= pause <= bound + 1, "half of it is at random"


def test_a_statement_that_is_cancelled_as_it_ends_costs_the_queue_no_connection(
    database_url: str,
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            QueuePool(database_url, min_size=1, max_size=1, open=False, timeout=3.0) as pool,
        ):
            await pool.wait(PATIENCE)
            borrowed, done = asyncio.Event(), asyncio.Event()

            async def state() -> None:
                async with pool.connection():
                    borrowed.set()
                    await done.wait()

            task = asyncio.create_task(state())
            await borrowed.wait()
            async with pool._lock:  # as another that comes back in the same moment has it
                done.set()
                for _ in range(5):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})
            assert task.cancelled()
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

    asyncio.run(main())
