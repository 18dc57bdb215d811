"""Giving back the jobs of workers that died."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, LiteralString

from autogpt_db.logs.events import worker as log
from autogpt_db.worker.forgetting import forget

if TYPE_CHECKING:
    from autogpt_db.worker.queue import Queue

HEARTBEAT = 5.0
"""Seconds between a worker's signs of life in the queue's tables."""
STALLED = 15.0
"""Seconds without one after which a worker counts as dead."""
LOOK = 5.0
"""Seconds between two looks for jobs to rescue."""
FORGET = 3600.0
"""Seconds until finished jobs are looked for again, once there were none to forget."""

# One statement, so that of several rescuers one finds the row: it is locked, and when its lock
# is free it is no longer 'doing'. A run whose row is locked is committing just now, or its server
# process is about to be ended (CUT_OFF, handle.IDLE_LIMIT): it is left for the next look.
# A twin may be waiting already (the next periodic run): then nothing is lost by letting this
# one go.
RESCUE: LiteralString = """
WITH stranded AS (
    SELECT job.id, job.task_name, job.queueing_lock, job.attempts + 1 AS attempts
      FROM autogpt_db.procrastinate_jobs AS job
     WHERE job.status = 'doing'
       AND NOT EXISTS (
           SELECT
             FROM autogpt_db.procrastinate_workers AS worker
            WHERE worker.id = job.worker_id
              AND worker.last_heartbeat >= now() - make_interval(secs => %(stalled)s)
       )
     ORDER BY job.id
     LIMIT 100
       FOR UPDATE OF job SKIP LOCKED
), held AS (
    SELECT run.token, run.job_id
      FROM autogpt_db.job_run AS run
      JOIN stranded ON stranded.id = run.job_id
     WHERE run.ended_at IS NULL
       FOR UPDATE OF run SKIP LOCKED
), free AS (
    SELECT stranded.*
      FROM stranded
     WHERE NOT EXISTS (
           SELECT
             FROM autogpt_db.job_run AS run
            WHERE run.job_id = stranded.id
              AND run.ended_at IS NULL
              AND run.token <> ALL (SELECT token FROM held)
       )
), ended AS (
    UPDATE autogpt_db.job_run AS run
       SET ended_at = clock_timestamp(),
           outcome = 'taken away',
           reason = 'its worker showed no sign of life'
      FROM held
      JOIN free ON free.id = held.job_id
     WHERE run.token = held.token
), rescued AS (
    UPDATE autogpt_db.procrastinate_jobs AS job
       SET status = CASE
               WHEN free.attempts >= bound.attempts THEN 'failed'
               WHEN EXISTS (
                   SELECT
                     FROM autogpt_db.procrastinate_jobs AS twin
                    WHERE twin.queueing_lock = free.queueing_lock
                      AND twin.status = 'todo'
               )
               THEN 'cancelled'
               ELSE 'todo'
           END::autogpt_db.procrastinate_job_status,
           attempts = free.attempts,
           abort_requested = false,
           scheduled_at = NULL,
           worker_id = NULL
      FROM free
      LEFT JOIN unnest(%(names)s::text[], %(bounds)s::integer[])
                AS bound (name, attempts) ON bound.name = free.task_name
     WHERE job.id = free.id
    RETURNING job.id, job.queue_name, job.task_name, job.status, job.attempts
)
SELECT id, task_name, status, attempts,
       CASE WHEN status = 'todo' THEN pg_notify(
           'procrastinate_queue_v1#' || queue_name,
           json_build_object('type', 'job_inserted', 'job_id', id)::text
       ) END
  FROM rescued
"""

# A transaction of a worker that is gone may live on in the server: a long statement of a killed
# one, or of one that is frozen. What locks the run's row is that transaction, and it began before
# its worker fell silent; a shorter one is another rescuer's.
CUT_OFF: LiteralString = """
SELECT run.job, run.job_id, holder.pid, pg_terminate_backend(holder.pid)
  FROM autogpt_db.procrastinate_jobs AS job
  JOIN autogpt_db.job_run AS run ON run.job_id = job.id AND run.ended_at IS NULL
  JOIN pg_catalog.pg_locks AS holder
       ON holder.locktype = 'transactionid'
      AND holder.mode = 'ExclusiveLock'
      AND holder.granted
      AND holder.transactionid = run.xmax
  JOIN pg_catalog.pg_stat_activity AS activity
       ON activity.pid = holder.pid
      AND activity.xact_start < now() - make_interval(secs => %(stalled)s / 3)
 WHERE job.status = 'doing'
   AND NOT EXISTS (
       SELECT
         FROM autogpt_db.procrastinate_workers AS worker
        WHERE worker.id = job.worker_id
          AND worker.last_heartbeat >= now() - make_interval(secs => %(stalled)s)
   )
"""


async def tend(queue: Queue) -> None:
    """Look after the queue's tables until cancelled.

    Raises:
        procrastinate.exceptions.ConnectorException: PostgreSQL is away.
    """
    forget_at = time.monotonic()
    while True:
        await rescue(queue, stalled=STALLED)
        if time.monotonic() >= forget_at and not await forget(queue):
            forget_at = time.monotonic() + FORGET
        await asyncio.sleep(LOOK)


async def rescue(queue: Queue, *, stalled: float = STALLED) -> int:
    """Give back every job whose worker is dead, and return how many.

    Args:
        queue: The open queue.
        stalled: Seconds without a sign of life after which a worker counts as dead.
    """
    jobs = queue.jobs.values()
    for run in await queue.connector.execute_query_all_async(CUT_OFF, stalled=stalled):
        log.job_cut_off(job=run["job"], id=run["job_id"], pid=run["pid"])
    found = await queue.connector.execute_query_all_async(
        RESCUE,
        stalled=stalled,
        names=[job.name for job in jobs],
        bounds=[job.attempts for job in jobs],
    )
    for job in found:
        log.job_rescued(
            job=job["task_name"],
            id=job["id"],
            status=job["status"],
            attempts=job["attempts"],
        )
    return len(found)
