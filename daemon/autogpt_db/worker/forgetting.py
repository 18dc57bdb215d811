"""Forgetting what ended long ago in the queue's tables, a little at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from autogpt_db.worker.queue import Queue

KEEP_HOURS = 14 * 24
"""Hours for which a finished job, and each of its runs, stay visible."""
BATCH = 1000
"""Rows that one statement looks at: the queue's only connection is soon free for the next one."""

# procrastinate's own statement sorts all jobs and all their events, and waits for locked ones. A
# job's id says about when it was queued, so the oldest ids are looked at; its events say when it
# ended.
FORGET_JOBS: LiteralString = """
WITH old AS MATERIALIZED (
    SELECT job.id
      FROM autogpt_db.procrastinate_jobs AS job
     WHERE job.id = ANY (ARRAY(
           SELECT id
             FROM autogpt_db.procrastinate_jobs
            WHERE status IN ('succeeded', 'failed', 'cancelled', 'aborted')
            ORDER BY id
            LIMIT %(batch)s
           ))
       AND job.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
       AND NOT EXISTS (
           SELECT
             FROM autogpt_db.procrastinate_events AS event
            WHERE event.job_id = job.id
              AND event.at >= now() - make_interval(hours => %(hours)s)
       )
       FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM autogpt_db.procrastinate_jobs WHERE id IN (SELECT id FROM old) RETURNING id
)
SELECT count(*) AS forgotten FROM gone
"""

FORGET_RUNS: LiteralString = """
WITH gone AS (
    DELETE FROM autogpt_db.job_run
     WHERE token = ANY (ARRAY(
           SELECT token
             FROM autogpt_db.job_run
            WHERE ended_at < now() - make_interval(hours => %(hours)s)
            ORDER BY ended_at
            LIMIT %(batch)s
              FOR UPDATE SKIP LOCKED
     ))
    RETURNING token
)
SELECT count(*) AS forgotten FROM gone
"""


async def forget(queue: Queue) -> bool:
    """Remove a batch of jobs, and one of runs, that ended long ago; tell whether there may be more.

    Args:
        queue: The open queue.
    """
    more = False
    for statement in (FORGET_JOBS, FORGET_RUNS):
        row = await queue.connector.execute_query_one_async(
            statement, hours=KEEP_HOURS, batch=BATCH
        )
        more = more or row["forgotten"] > 0
    return more
