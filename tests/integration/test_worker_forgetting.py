"""The queue's tables keep two weeks: what is older goes, a little at a time, past what is held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from autogpt_db.worker import rescue
from worker_scenarios import Queries, eventually, jobs_of, settings_for, working

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

FINISHED = """
WITH job AS (
    INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name, status)
    SELECT 'nap', 'nap', 'succeeded' FROM generate_series(1, 2500)
    RETURNING id
)
INSERT INTO autogpt_db.procrastinate_events (job_id, type, at)
SELECT id, 'succeeded', now() - CASE WHEN mod(id, 500) = 0 THEN interval '1 day'
                                     ELSE interval '15 days' END
  FROM job
"""
RUNS = """
INSERT INTO autogpt_db.job_run (job_id, job, attempt, process, ended_at, outcome)
SELECT n, 'nap', 1, 'elsewhere:1', now() - make_interval(days => CASE n WHEN 1 THEN 1 ELSE 15 END),
       'succeeded'
  FROM generate_series(1, 12000) AS n
"""
LEFT = """
SELECT (SELECT count(*) FROM autogpt_db.procrastinate_jobs),
       (SELECT count(*) FROM autogpt_db.procrastinate_events),
       (SELECT count(*) FROM autogpt_db.job_run)
"""


def test_what_ended_two_weeks_ago_goes_and_nothing_is_waited_for(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "LOOK", 0.05)
    queries.rows(FINISHED)
    queries.rows(RUNS)
    holder = Queries(database_url)
    holder.rows("BEGIN")
    holder.rows("SELECT FROM autogpt_db.procrastinate_jobs WHERE id = 7 FOR UPDATE")

    async def nap(_database: JobDatabase) -> None:
        """Do nothing."""

    async def main() -> None:
        async with working(settings_for(database_url), jobs_of(nap)):
            await eventually(lambda: queries.rows(LEFT) == [(6, 6, 1)])

    asyncio.run(main())
    holder.close()
