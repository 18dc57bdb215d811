"""Giving back the jobs of workers that died, and forgetting finished ones."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from autogpt_db.worker.queue import Queue

log = structlog.get_logger("autogpt_db.worker")

HEARTBEAT = 5.0
"""Seconds between a worker's signs of life in the queue's tables."""
STALLED = 15.0
"""Seconds without one after which a worker counts as dead."""
LOOK = 5.0
"""Seconds between two looks for jobs to rescue."""
FORGET = 3600.0
"""Seconds between two removals of finished jobs."""
KEEP_HOURS = 14 * 24
"""Hours for which a finished job stays visible in the queue's tables."""

# One statement, so that of several rescuers one finds the row: it is locked, and when its lock
# is free it is no longer 'doing'. A twin may be waiting already (the next periodic run): then
# nothing is lost by letting this one go.
RESCUE = """
WITH stranded AS (
    SELECT job.id
      FROM procrastinate_jobs AS job
     WHERE job.status = 'doing'
       AND NOT EXISTS (
           SELECT 1
             FROM procrastinate_workers AS worker
            WHERE worker.id = job.worker_id
              AND worker.last_heartbeat >= now() - make_interval(secs => %(stalled)s)
       )
     ORDER BY job.id
     LIMIT 100
       FOR UPDATE OF job SKIP LOCKED
)
UPDATE procrastinate_jobs AS job
   SET status = CASE
           WHEN EXISTS (
               SELECT 1
                 FROM procrastinate_jobs AS twin
                WHERE twin.queueing_lock = job.queueing_lock
                  AND twin.status = 'todo'
           )
           THEN 'failed'::procrastinate_job_status
           ELSE 'todo'::procrastinate_job_status
       END,
       attempts = job.attempts + 1,
       abort_requested = false,
       scheduled_at = NULL,
       worker_id = NULL
  FROM stranded
 WHERE job.id = stranded.id
RETURNING job.id, job.task_name, job.status, job.attempts
"""


async def tend(queue: Queue) -> None:
    """Look after the queue's tables until cancelled.

    Raises:
        procrastinate.exceptions.ConnectorException: PostgreSQL is away.
    """
    forget_at = time.monotonic()
    while True:
        await rescue(queue)
        if time.monotonic() >= forget_at:
            await queue.app.job_manager.delete_old_jobs(
                KEEP_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
            )
            forget_at = time.monotonic() + FORGET
        await asyncio.sleep(LOOK)


async def rescue(queue: Queue, *, stalled: float = STALLED) -> int:
    """Give back every job whose worker is dead, and return how many.

    Args:
        queue: The open queue.
        stalled: Seconds without a sign of life after which a worker counts as dead.
    """
    found = await queue.connector.execute_query_all_async(RESCUE, stalled=stalled)
    for job in found:
        log.warning(
            "job_rescued",
            job=job["task_name"],
            id=job["id"],
            status=job["status"],
            attempts=job["attempts"],
        )
    return len(found)
