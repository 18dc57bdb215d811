"""Jobs that give way: AutoGPT's migrations never wait long for one of ours.

A statement of a job that runs for minutes (a view's refresh, a large delete) holds its locks until
it ends; a migration that needs the table waits, and behind it everybody else. Whoever waits for a
lock on a relation that a job's transaction holds is let through: the job is cancelled, and its
next run does the work.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, LiteralString, NoReturn

from autogpt_db.logs.events import worker as log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autogpt_db.worker.queue import Queue
    from autogpt_db.worker.runs import JobRun

LOOK = 1.5
"""Seconds between two looks whether somebody waits for a job."""

# The moment tells a transaction from a later one of the same server process, behind a pooler.
WAITING: LiteralString = """
SELECT wanted.pid AS waiting, wanted.mode AS mode, wanted.relation::regclass::text AS relation
  FROM pg_catalog.pg_stat_activity AS holder
  JOIN pg_catalog.pg_locks AS wanted
    ON wanted.locktype = 'relation'
   AND NOT wanted.granted
   AND wanted.pid <> holder.pid
   AND holder.pid = ANY (pg_blocking_pids(wanted.pid))
 WHERE holder.pid = %(pid)s AND holder.xact_start = %(since)s
 LIMIT 1
"""
CANCEL: LiteralString = """
SELECT pg_cancel_backend(holder.pid) AS cancelled
  FROM pg_catalog.pg_stat_activity AS holder
 WHERE holder.pid = %(pid)s AND holder.xact_start = %(since)s
"""


async def give_way(queue: Queue, running: Callable[[], Iterable[JobRun]]) -> NoReturn:
    """Look now and then whether somebody waits for a job, until cancelled.

    Args:
        queue: The open queue.
        running: Returns this process's runs.

    Raises:
        procrastinate.exceptions.ConnectorException: PostgreSQL is away.
    """
    while True:
        await asyncio.sleep(LOOK)
        for run in list(running()):
            if run.transaction is None:
                continue
            pid, since = run.transaction
            who = {"pid": pid, "since": since}
            found = await queue.connector.execute_query_all_async(WAITING, **who)
            if not found or run.transaction != (pid, since):
                continue
            # Before it is cancelled: its failure may be here sooner than this statement's answer.
            run.gave_way = True
            if not await queue.connector.execute_query_all_async(CANCEL, **who):
                run.gave_way = False  # it ended by itself
                continue
            log.job_gave_way(
                job=run.job,
                id=run.job_id,
                relation=found[0]["relation"],
                mode=found[0]["mode"],
                waiting_pid=found[0]["waiting"],
            )
