"""Starting and ending a run of a job: each has a token, and a run without a valid one is nobody.

procrastinate finishes a job by its id, so a worker that was frozen and wakes would finish, or hand
back, the run of its successor; and it counts a handed-back run as a spent attempt. The statements
here take the place of its own: a run starts together with its row in `job_run`, and whatever ends
it ends that row first.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from autogpt_db.errors import AutogptDbError
from autogpt_db.logs.events import worker as log

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Iterable

    from procrastinate.connector import BaseConnector

LONGEST_REASON = 500
"""Characters of a failure's text that are kept."""
LONG = 5.0
"""Seconds after which a run is long enough to be told of."""
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

# The same statement, whether it is sent by itself or within the transaction of the job's writes.
# A job that goes back to the queue while its twin waits there gives way: the twin does its work.
END: LiteralString = """
WITH run AS (
    UPDATE autogpt_db.job_run
       SET ended_at = clock_timestamp(),
           outcome = %(outcome)s,
           reason = %(reason)s,
           result = %(result)s::jsonb
     WHERE token = %(token)s
       AND ended_at IS NULL
    RETURNING job_id
), ended AS (
    UPDATE autogpt_db.procrastinate_jobs AS job
       SET status = CASE
               WHEN %(status)s = 'todo' AND EXISTS (
                   SELECT
                     FROM autogpt_db.procrastinate_jobs AS twin
                    WHERE twin.queueing_lock = job.queueing_lock
                      AND twin.status = 'todo'
               )
               THEN 'cancelled'
               ELSE %(status)s
           END::autogpt_db.procrastinate_job_status,
           attempts = job.attempts + %(spent)s,
           scheduled_at = COALESCE(%(again_at)s::timestamptz, job.scheduled_at),
           abort_requested = false,
           worker_id = NULL
      FROM run
     WHERE job.id = run.job_id
       AND job.status = 'doing'
    RETURNING job.id, job.queue_name, job.status
), told AS (
    SELECT pg_notify(
               'procrastinate_queue_v1#' || queue_name,
               json_build_object('type', 'job_inserted', 'job_id', id)::text
           )
      FROM ended
     WHERE status = 'todo'
       AND %(again_at)s::timestamptz IS NULL
)
SELECT (SELECT count(*) FROM run) AS ended,
       (SELECT count(*) FROM told) AS told
"""


class RunTakenAwayError(AutogptDbError):
    """The run lost its right to write: it fell silent, and its job was given to another worker."""


@dataclass(slots=True)
class JobRun:
    """One start of a job, in this process.

    Attributes:
        token: Its fencing token.
        job: The job's name.
        job_id: The queued job.
        attempt: Which attempt it is, from 1.
        handed_back: Whether it was ended by a stop and spends no attempt.
        ended: Whether its end has been committed together with its writes.
        reason: Why it failed.
        result: What it counted.
        done: How much of its work is done, in the job's own unit.
        total: How much there is.
        began: `time.monotonic()` at its start.
        transaction: The server process and beginning of its open transaction, while it has one.
        gave_way: Whether it was cancelled because somebody waited for its locks.
    """

    token: int
    job: str
    job_id: int
    attempt: int
    handed_back: bool = False
    ended: bool = False
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    done: int | None = None
    total: int | None = None
    began: float = field(default_factory=time.monotonic)
    transaction: tuple[int, dt.datetime] | None = None
    gave_way: bool = False

    def words(self) -> str:
        """Return how far it is, in words; nothing for a run that is young or counts nothing."""
        if self.done is None or time.monotonic() - self.began < LONG:
            return ""
        if not self.total:
            return f"{self.job} at {self.done}"
        return f"{self.job} at {100 * self.done // self.total} %"

    def ending(
        self, outcome: str, *, status: str, spent: int, again_at: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Return the parameters of `END`.

        Args:
            outcome: What the history will say.
            status: The queued job's new status.
            spent: Attempts that this run counts for.
            again_at: Earliest start of the next attempt.
        """
        return {
            "token": self.token,
            "outcome": outcome,
            "reason": _storable(self.reason[:LONGEST_REASON]) if self.reason else None,
            "result": json.dumps(self.result, default=str) if self.result else None,
            "status": status,
            "spent": spent,
            "again_at": again_at,
        }


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


def _storable(text: str) -> str:
    """Return a text as PostgreSQL can keep it: without NUL, and without halves of surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _run_of(job: Job) -> JobRun:
    assert isinstance(job, FetchedJob)
    return job.run
