"""A small job, of which there are thousands, and a long one; loaded by the daemons under test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase


@job(schedule=None, atomic=True, time_limit=60.0, attempts=20)
async def small_job(database: JobDatabase) -> None:
    """Write one row; two, if it is ever committed twice."""
    await database.execute(
        "INSERT INTO public.written (job_id, process, at) "
        "VALUES (%(job_id)s, pg_backend_pid(), clock_timestamp())",
        {"job_id": database.run.job_id},
    )


@job(schedule=None, time_limit=300.0)
async def long_job(database: JobDatabase) -> None:
    """Write a row in each of a thousand transactions, a tenth of a second each."""
    for step in range(1000):
        await database.execute(
            "INSERT INTO public.steps (step, attempt) SELECT %(step)s, %(attempt)s "
            "FROM pg_sleep(0.1)",
            {"step": step, "attempt": database.run.attempt},
        )
        await database.progress(step + 1, 1000)
