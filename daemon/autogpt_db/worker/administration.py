"""What an operator may ask of the queue, and change in it, from any shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autogpt_db.worker.registry import Job

Row = dict[str, Any]

# A row for every job that there is or was: what waits, what runs and how far it is, what was last.
LIST: LiteralString = """
SELECT name.job,
       pause.job IS NOT NULL AS paused,
       COALESCE(queued.waiting, 0) AS waiting,
       COALESCE(queued.failed, 0) AS failed,
       running.process, running.started_at, running.attempt, running.done, running.total,
       CASE WHEN running.done > 0 THEN
            running.done / GREATEST(EXTRACT(epoch FROM
                running.progressed_at - running.started_at), 0.001)
       END::float8 AS rate,
       last.outcome AS last_outcome, last.ended_at AS last_ended_at,
       EXTRACT(epoch FROM last.ended_at - last.started_at)::float8 AS last_seconds,
       last.reason AS last_reason, last.result AS last_result
  FROM unnest(%(jobs)s::text[]) AS name (job)
  LEFT JOIN autogpt_db.job_pause AS pause ON pause.job = name.job
  LEFT JOIN LATERAL (
       SELECT count(*) FILTER (WHERE status = 'todo') AS waiting,
              count(*) FILTER (WHERE status = 'failed') AS failed
         FROM autogpt_db.procrastinate_jobs
        WHERE queue_name = name.job
          AND status IN ('todo', 'failed')
  ) AS queued ON true
  LEFT JOIN LATERAL (
       SELECT *
         FROM autogpt_db.job_run
        WHERE job_run.job = name.job AND ended_at IS NULL
        ORDER BY token DESC
        LIMIT 1
  ) AS running ON true
  LEFT JOIN LATERAL (
       SELECT *
         FROM autogpt_db.job_run
        WHERE job_run.job = name.job AND ended_at IS NOT NULL
        ORDER BY token DESC
        LIMIT 1
  ) AS last ON true
 ORDER BY name.job
"""

# The priority is scheduling.PRIORITY.
ENQUEUE: LiteralString = """
INSERT INTO autogpt_db.procrastinate_jobs
       (queue_name, task_name, lock, queueing_lock, priority, args)
SELECT job, job, job, job, 1, '{"timestamp": 0}'
  FROM (SELECT %(job)s::text AS job) AS wanted
    ON CONFLICT DO NOTHING
RETURNING id
"""

# One that waits for its next attempt waits no longer.
HURRY: LiteralString = """
WITH waiting AS (
    UPDATE autogpt_db.procrastinate_jobs
       SET scheduled_at = NULL
     WHERE queueing_lock = %(job)s
       AND status = 'todo'
    RETURNING id, queue_name
)
SELECT id,
       pg_notify(
           'procrastinate_queue_v1#' || queue_name,
           json_build_object('type', 'job_inserted', 'job_id', id)::text
       )
  FROM waiting
"""

FOLLOW: LiteralString = """
SELECT job.status::text AS status, run.done, run.total, run.outcome, run.reason, run.result
  FROM autogpt_db.procrastinate_jobs AS job
  LEFT JOIN LATERAL (
       SELECT *
         FROM autogpt_db.job_run
        WHERE job_run.job = job.task_name
          AND job_run.job_id = job.id
        ORDER BY token DESC
        LIMIT 1
  ) AS run ON true
 WHERE job.id = %(id)s
"""

HISTORY: LiteralString = """
SELECT token, job_id, job, attempt, process, started_at, ended_at,
       EXTRACT(epoch FROM COALESCE(ended_at, clock_timestamp()) - started_at)::float8 AS seconds,
       COALESCE(outcome, 'running') AS outcome, reason, result, done, total
  FROM autogpt_db.job_run
 WHERE %(job)s::text IS NULL OR job = %(job)s::text
 ORDER BY token DESC
 LIMIT %(limit)s
"""

PAUSE: LiteralString = """
INSERT INTO autogpt_db.job_pause (job) VALUES (%(job)s) ON CONFLICT DO NOTHING RETURNING job
"""

RESUME: LiteralString = """
WITH resumed AS (
    DELETE FROM autogpt_db.job_pause WHERE job = %(job)s RETURNING job
)
SELECT job,
       pg_notify(
           'procrastinate_queue_v1#' || job,
           json_build_object('type', 'job_inserted', 'job_id', 0)::text
       )
  FROM resumed
"""

# The runs are read once, not once for each job.
FAILED: LiteralString = """
WITH job AS MATERIALIZED (
    SELECT id, task_name, attempts
      FROM autogpt_db.procrastinate_jobs
     WHERE status = 'failed'
     ORDER BY id DESC
     LIMIT %(limit)s
), run AS (
    SELECT DISTINCT ON (job_run.job_id) job_run.*
      FROM job
      JOIN autogpt_db.job_run ON job_run.job_id = job.id
     ORDER BY job_run.job_id, job_run.token DESC
)
SELECT job.id, job.task_name AS job, job.attempts,
       run.ended_at, run.process, run.reason
  FROM job
  LEFT JOIN run ON run.job_id = job.id
 ORDER BY job.id DESC
"""

# One that has a twin waiting stays as it is: the twin does its work.
REQUEUE: LiteralString = """
WITH again AS (
    UPDATE autogpt_db.procrastinate_jobs AS job
       SET status = 'todo',
           attempts = 0,
           scheduled_at = NULL,
           worker_id = NULL
     WHERE job.id = (
           SELECT one.id
             FROM autogpt_db.procrastinate_jobs AS one
            WHERE one.id = %(id)s
              AND one.status = 'failed'
              AND NOT EXISTS (
                  SELECT
                    FROM autogpt_db.procrastinate_jobs AS twin
                   WHERE twin.queueing_lock = one.queueing_lock
                     AND twin.status = 'todo'
              )
              FOR UPDATE
     )
    RETURNING id, queue_name
)
SELECT id,
       pg_notify(
           'procrastinate_queue_v1#' || queue_name,
           json_build_object('type', 'job_inserted', 'job_id', id)::text
       )
  FROM again
"""


class Administration:
    """The queue, seen by an operator.

    Args:
        connection: In autocommit mode.
        jobs: The jobs that this program knows.
    """

    def __init__(self, connection: psycopg.Connection[Any], jobs: Mapping[str, Job]) -> None:
        self._connection = connection
        self._jobs = jobs

    def overview(self) -> list[Row]:
        """Return a row for each job."""
        return complete(self._rows(LIST, jobs=list(self._jobs)), self._jobs)

    def run(self, job: str) -> tuple[int, bool]:
        """Ask for a run now; return the queued job's id, and whether it is a new one."""
        self._known(job)
        rows = self._rows(ENQUEUE, job=job)
        if rows:
            return rows[0]["id"], True
        waiting = self._rows(HURRY, job=job)
        # It may have been started in between; then there is room for one more.
        return (waiting[0]["id"], False) if waiting else self.run(job)

    def state(self, job_id: int) -> Row:
        """Return how a queued job stands: `status`, and of its last run the rest."""
        rows = self._rows(FOLLOW, id=job_id)
        return rows[0] if rows else {"status": "gone"}

    def history(self, job: str | None, limit: int) -> list[Row]:
        """Return the newest runs, of one job or of all."""
        if job is not None:
            self._known(job)
        return self._rows(HISTORY, job=job, limit=limit)

    def pause(self, job: str) -> bool:
        """Let no further run of a job start; False when it was paused already."""
        self._known(job)
        return bool(self._rows(PAUSE, job=job))

    def resume(self, job: str) -> bool:
        """Let a job's runs start again; False when it wasn't paused."""
        self._known(job)
        return bool(self._rows(RESUME, job=job))

    def failed(self, limit: int) -> list[Row]:
        """Return the jobs that have failed for good, newest first."""
        return self._rows(FAILED, limit=limit)

    def requeue(self, job_ids: Sequence[int]) -> list[int]:
        """Give failed jobs all their attempts again; return those it could be done for."""
        return [job_id for job_id in job_ids if self._requeue(job_id)]

    def _requeue(self, job_id: int) -> bool:
        try:
            return bool(self._rows(REQUEUE, id=job_id))
        except psycopg.errors.UniqueViolation:
            return False

    def _known(self, job: str) -> None:
        if job not in self._jobs:
            known = ", ".join(self._jobs)
            raise ConfigurationError(f"There is no job {job!r}; there are: {known}.")

    def _rows(self, sql: LiteralString, **parameters: Any) -> list[Row]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()


def complete(rows: list[Row], jobs: Mapping[str, Job]) -> list[Row]:
    """Add to rows of `LIST` what each job is for, and the seconds that its run may still take."""
    for row in rows:
        row["summary"] = jobs[row["job"]].summary
        left = (row["total"] or 0) - (row["done"] or 0)
        row["remaining"] = left / row["rate"] if row["total"] and row["rate"] else None
    return rows


def as_json(value: Any) -> str:
    """Return rows as indented JSON; moments as ISO 8601."""
    return json.dumps(
        value, indent=2, default=lambda o: o.isoformat() if hasattr(o, "isoformat") else str(o)
    )
