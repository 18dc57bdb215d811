"""A run that was taken away writes nothing more, ends nothing, and costs its successor nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.worker import rescue
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.runs import RunTakenAwayError
from worker_scenarios import Queries, enqueue, eventually, jobs_of, settings_for, working

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.worker.handle import JobDatabase

WRITE = "INSERT INTO public.written (attempt) VALUES (%(attempt)s)"
SILENCE = """
UPDATE autogpt_db.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'
"""
OUTCOMES = "SELECT outcome FROM autogpt_db.job_run ORDER BY token"


@pytest.fixture
def queries(database_url: str) -> Iterator[Queries]:
    found = Queries(database_url)
    found.rows("CREATE TABLE public.written (attempt integer)")
    yield found
    found.close()


def written(queries: Queries) -> list[int]:
    return [row[0] for row in queries.rows("SELECT attempt FROM public.written")]


def outcomes(queries: Queries) -> list[str | None]:
    return [row[0] for row in queries.rows(OUTCOMES)]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_worker_that_was_thought_dead_neither_writes_nor_ends_its_successors_run(
    database_url: str, queries: Queries, *, atomic: bool
) -> None:
    settings = settings_for(database_url)
    begun, woken, refused = asyncio.Event(), asyncio.Event(), []

    async def sleepy(database: JobDatabase) -> None:
        """Be taken away during the first attempt."""
        begun.set()
        if database.run.attempt == 1:
            await woken.wait()
        try:
            await database.execute(WRITE, {"attempt": database.run.attempt})
        except Exception as error:
            refused.append(error)
            raise

    jobs = jobs_of(sleepy, atomic=atomic)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "sleepy")
            await eventually(lambda: queries.statuses() == ["doing"])
            await eventually(lambda: outcomes(queries) == [None])
            await begun.wait()
            while outcomes(queries)[:1] != ["taken away"]:
                queries.rows(SILENCE)  # the worker's own next sign of life is near
                await rescue.rescue(queue, stalled=0.5)
            await eventually(lambda: queries.statuses() == ["succeeded"])
            woken.set()
            await eventually(lambda: refused)

    asyncio.run(main())
    assert written(queries) == [2]
    assert outcomes(queries) == ["taken away", "succeeded"]
    assert queries.statuses() == ["succeeded"]
    # Of an atomic run the server has ended the open transaction.
    assert atomic or isinstance(refused[0], RunTakenAwayError)
    assert queries.value("SELECT attempts FROM autogpt_db.procrastinate_jobs") == 2


def test_an_atomic_job_commits_its_writes_and_its_end_together_or_not_at_all(
    database_url: str, queries: Queries
) -> None:
    settings = settings_for(database_url)

    async def stumble(database: JobDatabase) -> dict[str, Any]:
        """Write, and fail the first time."""
        await database.execute(WRITE, {"attempt": database.run.attempt})
        if database.run.attempt == 1:
            raise ValueError("no luck")
        return {"rows": 1}

    jobs = jobs_of(stumble, atomic=True)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "stumble")
            await eventually(lambda: queries.statuses() == ["succeeded"])

    asyncio.run(main())
    assert written(queries) == [2]
    assert queries.rows(
        "SELECT outcome, reason, result FROM autogpt_db.job_run ORDER BY token"
    ) == [
        ("retried", "no luck", None),
        ("succeeded", None, {"rows": 1}),
    ]


def test_a_job_that_takes_its_worker_down_every_time_ends_as_failed(
    database_url: str, queries: Queries
) -> None:
    async def poison(_database: JobDatabase) -> None:
        """Never get here: this test stands for the worker that dies."""

    settings, jobs = settings_for(database_url), jobs_of(poison, attempts=3)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue:
            await enqueue(queue, "poison")
            for status in ("todo", "todo", "failed"):
                worker = await queue.app.job_manager.register_worker()
                assert await queue.app.job_manager.fetch_job(["poison"], worker) is not None
                queries.rows(SILENCE)
                assert await rescue.rescue(queue) == 1
                assert queries.statuses() == [status]

    asyncio.run(main())
    assert outcomes(queries) == ["taken away"] * 3


def test_a_run_that_is_committing_is_left_to_the_next_look(
    database_url: str, queries: Queries
) -> None:
    async def nap(_database: JobDatabase) -> None:
        """Do nothing."""

    settings, jobs = settings_for(database_url), jobs_of(nap)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue:
            await enqueue(queue, "nap")
            worker = await queue.app.job_manager.register_worker()
            await queue.app.job_manager.fetch_job(["nap"], worker)
            queries.rows(SILENCE)
            committing = Queries(database_url)
            committing.rows("BEGIN")
            committing.rows("SELECT FROM autogpt_db.job_run FOR NO KEY UPDATE")
            assert await rescue.rescue(queue) == 0
            committing.rows("COMMIT")
            committing.close()
            assert await rescue.rescue(queue) == 1

    asyncio.run(main())
    assert queries.statuses() == ["todo"]


def test_a_paused_job_waits_in_the_queue(database_url: str, queries: Queries) -> None:
    async def nap(_database: JobDatabase) -> None:
        """Do nothing."""

    settings, jobs = settings_for(database_url), jobs_of(nap)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue:
            queries.rows("INSERT INTO autogpt_db.job_pause (job) VALUES ('nap')")
            await enqueue(queue, "nap")
            worker = await queue.app.job_manager.register_worker()
            assert await queue.app.job_manager.fetch_job(["nap"], worker) is None
            queries.rows("DELETE FROM autogpt_db.job_pause")
            assert await queue.app.job_manager.fetch_job(["nap"], worker) is not None

    asyncio.run(main())
