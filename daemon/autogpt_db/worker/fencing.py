"""Starting and ending a run of a job: each has a token, and a run without a valid one is nobody.

procrastinate finishes a job by its id, so a worker that was frozen and wakes would finish, or hand
back, the run of its successor; and it counts a handed-back run as a spent attempt. The statements
here take the place of its own: a run starts together with its row in `job_run`, and whatever ends
it ends that row first.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, LiteralString

from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from autogpt_db.logs.events import worker as log
from autogpt_db.worker.runs import END, JobRun

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Iterable

    from procrastinate.connector import BaseConnector

REPEATS = 3
"""Attempts to give a job back, when a twin of it is queued in the same moment."""

# A run that was never ended (somebody reset its job by hand) must not go on beside a newer one.
FETCH: LiteralString = """
WITH fetched AS MATERIALIZED (
    SELECT *
      FROM autogpt_db.procrastinate_fetch_job_v2(
           ARRAY(
               SELECT queue
                 FROM unnest(%(queues)s::varchar[]) AS queue
                WHERE NOT EXISTS (SELECT FROM autogpt_db.job_pause WHERE job = queue)
           ),
           %(worker_id)s
      )
     WHERE id IS NOT NULL
), forgotten AS (
    UPDATE autogpt_db.job_run AS run
       SET ended_at = clock_timestamp(),
           outcome = 'taken away'
      FROM fetched
     WHERE run.job_id = fetched.id
       AND run.ended_at IS NULL
), started AS (
    INSERT INTO autogpt_db.job_run (job_id, job, attempt, process)
    SELECT id, task_name, attempts + 1, %(process)s
      FROM fetched
    RETURNING token
)
SELECT fetched.*, started.token
  FROM fetched
 CROSS JOIN started
"""


class FetchedJob(Job):
    """A job of procrastinate's as this process fetched it, with its run.

    A process that was frozen may hold two of the same id: its own old one, and its successor.
    """

    run: JobRun

    @classmethod
    def start(cls, row: dict[str, Any]) -> FetchedJob:
        """Return the job of a row of `FETCH`."""
        job = cls.from_row(row)
        assert isinstance(job, cls)
        run = JobRun(
            token=row["token"],
            job=row["task_name"],
            job_id=row["id"],
            attempt=row["attempts"] + 1,
        )
        object.__setattr__(job, "run", run)  # procrastinate's class is frozen
        return job


class FencedJobManager(JobManager):
    """procrastinate's job manager, with fetching and ending by our own statements.

    Args:
        connector: What the statements go through.
        lost: Is set when one of them fails. procrastinate itself goes on then: a job whose end
            could not be written would belong for ever to a worker that shows signs of life, and
            one that can fetch no more would wait without limit, and without signs of life, for
            the jobs it runs.
    """

    def __init__(self, connector: BaseConnector, lost: asyncio.Event) -> None:
        super().__init__(connector)
        self._lost = lost

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Start the next job that is due and not paused; None when there is none."""
        try:
            rows = await self.connector.execute_query_all_async(
                FETCH, queues=list(queues or ()), worker_id=worker_id, process=process_name()
            )
        except Exception:
            self._lost.set()
            raise
        return FetchedJob.start(rows[0]) if rows else None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: ARG002 - procrastinate's signature; finished jobs are kept
        """End a run for good, or hand it back if a stop ended it."""
        run = _run_of(job)
        if run.handed_back:
            await self._hand_back(run)
        else:
            await self._end(run, **run.ending(status.value, status=status.value, spent=1))

    async def retry_job(
        self,
        job: Job,
        retry_at: dt.datetime | None = None,
        priority: int | None = None,  # noqa: ARG002 - procrastinate's signature
        queue: str | None = None,  # noqa: ARG002 - procrastinate's signature
        lock: str | None = None,  # noqa: ARG002 - procrastinate's signature
    ) -> None:
        """End a run whose job is tried again, or hand it back if a stop ended it."""
        run = _run_of(job)
        if run.handed_back:
            await self._hand_back(run)
        else:
            await self._end(run, **run.ending("retried", status="todo", spent=1, again_at=retry_at))

    async def _hand_back(self, run: JobRun) -> None:
        await self._end(run, **run.ending("handed back", status="todo", spent=0))

    async def _end(self, run: JobRun, **parameters: Any) -> None:
        if run.ended:
            return
        try:
            row = await self._write_end(parameters)
        except Exception:
            self._lost.set()
            raise
        if not row["ended"]:
            log.job_taken_away(job=run.job, id=run.job_id, attempt=run.attempt)

    async def _write_end(self, parameters: dict[str, Any]) -> dict[str, Any]:
        for left in reversed(range(REPEATS)):
            try:
                return await self.connector.execute_query_one_async(END, **parameters)
            except UniqueViolation:  # a twin came between the look and the update
                if not left:
                    raise
        raise AssertionError("the last repeat returns or raises")


def process_name() -> str:
    """Return this process's name over all hosts."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _run_of(job: Job) -> JobRun:
    assert isinstance(job, FetchedJob)
    return job.run
