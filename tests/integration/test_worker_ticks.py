"""A tick of a periodic job is entered once, however late somebody comes with it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from procrastinate.periodic import PeriodicDeferrer

from autogpt_db.worker.queue import open_queue
from lock_waits import lock_awaited
from worker_scenarios import Queries, jobs_of, settings_for

if TYPE_CHECKING:
    from autogpt_db.database.pool import Database
    from autogpt_db.worker.queue import Queue

HOURLY = "0 * * * *"
LATEST = int(time.time()) // 3600 * 3600
EARLIER = LATEST - 3600
ENTERED = """
SELECT (args->>'timestamp')::bigint FROM autogpt_db.procrastinate_jobs ORDER BY id
"""
DONE = "UPDATE autogpt_db.procrastinate_jobs SET status = 'succeeded'"


async def tick(_database: Database) -> None:
    """Do nothing: here it is only entered."""


async def enter(queue: Queue, *ticks: int) -> None:
    """Enter ticks as one host does, each once the job of the one before is done."""
    deferrer = PeriodicDeferrer(queue.app.periodic_registry)
    (periodic,) = queue.app.periodic_registry.periodic_tasks.values()
    for each in ticks:
        await queue.connector.execute_query_async(DONE)
        await deferrer.defer_jobs([(periodic, each)])


def entered(queries: Queries) -> list[int]:
    return [row[0] for row in queries.rows(ENTERED)]


def test_who_was_frozen_since_it_looked_at_the_clock_enters_no_tick_again(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url, schedule=HOURLY)

    async def main() -> None:
        async with open_queue(settings, jobs_of(tick)) as queue:
            await enter(queue, EARLIER, LATEST, EARLIER)
            await enter(queue, LATEST)

    asyncio.run(main())
    assert entered(queries) == [EARLIER, LATEST]


def test_who_comes_while_the_next_tick_is_being_entered_waits_and_enters_none(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url, schedule=HOURLY)
    other = Queries(database_url)

    async def main() -> None:
        async with open_queue(settings, jobs_of(tick)) as queue:
            await enter(queue, EARLIER)
            queries.rows(DONE)
            other.rows("BEGIN")
            other.rows("SET LOCAL search_path TO autogpt_db")
            other.rows(
                "SELECT procrastinate_defer_periodic_job_v2("
                "'tick', 'tick', 'tick', 'tick', 1, '', %(at)s, %(arguments)s)",
                at=LATEST,
                arguments=f'{{"timestamp": {LATEST}}}',
            )
            late = asyncio.create_task(enter(queue, EARLIER))
            await lock_awaited(database_url)
            other.rows(DONE)
            other.rows("COMMIT")
            await late

    asyncio.run(main())
    other.close()
    assert entered(queries) == [EARLIER, LATEST]


def test_a_tick_that_a_wrong_clock_has_entered_far_ahead_stops_nobody(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url, schedule=HOURLY)
    ahead = LATEST + 7 * 24 * 3600

    async def main() -> None:
        async with open_queue(settings, jobs_of(tick)) as queue:
            await enter(queue, EARLIER, ahead, LATEST, EARLIER)

    asyncio.run(main())
    assert entered(queries) == [EARLIER, ahead, LATEST]
