"""The background jobs and their runs, as `autogpt-db jobs` shows them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from autogpt_db import models
from autogpt_db.operations import BigInteger, Database, Reply, Resource
from autogpt_db.rest.paging import USUAL, PageLimit, fetch_page
from autogpt_db.rest.resources import view
from autogpt_db.worker.administration import LIST
from autogpt_db.worker.registry import discover

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString

_known_jobs = cache(discover)

_JOBS: LiteralString = f"""
SELECT json_build_object(
           'job', found.job,
           'paused', found.paused,
           'waiting', found.waiting,
           'failed', found.failed,
           'process', found.process,
           'started_at', autogpt_db.iso_v1(found.started_at AT TIME ZONE 'UTC'),
           'attempt', found.attempt,
           'done', found.done,
           'total', found.total,
           'rate', found.rate,
           'last_outcome', found.last_outcome,
           'last_ended_at', autogpt_db.iso_v1(found.last_ended_at AT TIME ZONE 'UTC'),
           'last_seconds', found.last_seconds,
           'last_reason', found.last_reason,
           'last_result', found.last_result
       )
  FROM ({LIST}) AS found
"""

_RUNS: LiteralString = """
SELECT json_build_object(
           'number', run.token,
           'job_id', run.job_id,
           'job', run.job,
           'attempt', run.attempt,
           'process', run.process,
           'started_at', autogpt_db.iso_v1(run.started_at AT TIME ZONE 'UTC'),
           'ended_at', autogpt_db.iso_v1(run.ended_at AT TIME ZONE 'UTC'),
           'seconds', EXTRACT(epoch FROM
               COALESCE(run.ended_at, clock_timestamp()) - run.started_at)::float8,
           'outcome', COALESCE(run.outcome, 'running'),
           'reason', run.reason,
           'result', run.result,
           'done', run.done,
           'total', run.total
       ) AS document
  FROM autogpt_db.job_run AS run
 WHERE run.job = %(job)s"""
_RUN_FILTERS: dict[str, LiteralString] = {"after_number": "run.token < %(after_number)s"}


@view(Resource("/jobs"))
async def list_jobs(database: Database) -> list[models.JobOverview]:
    """List the background jobs, and how each stands."""
    return await _overviews(database, _known_jobs())


@view(Resource("/jobs/{job}"))
async def show_job(database: Database, job: str) -> models.JobOverview | None:
    """Return how a background job stands.

    Args:
        job: Its name.
    """
    if job not in _known_jobs():
        return None
    (found,) = await _overviews(database, [job])
    return found


@view(Resource("/jobs/{job}/runs", pages_by=("number",)))
async def list_job_runs(
    database: Database,
    job: str,
    limit: PageLimit = USUAL,
    after_number: BigInteger | None = None,
) -> Reply[list[models.JobRun]]:
    """List the runs of a background job, the newest first; they are kept for 14 days.

    Args:
        job: Its name; of an unknown one there are none.
        limit: Runs of a page.
        after_number: Only older ones than the one with this number.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _RUNS,
        _RUN_FILTERS,
        {"after_number": after_number},
        order="run.token DESC",
        limit=limit,
        values={"job": job},
    )


async def _overviews(database: Database, jobs: Iterable[str]) -> list[models.JobOverview]:
    known = _known_jobs()
    rows = await database.rows(_JOBS, {"jobs": list(jobs)})
    found = [msgspec.json.decode(row[0]) for row in rows]
    return [each | {"summary": known[each["job"]].summary} for each in found]
