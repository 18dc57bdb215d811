"""One run of a job: within its time, and only where the database has what it needs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from logging import DEBUG, WARNING
from typing import TYPE_CHECKING, Any

from autogpt_db.database.schema import told
from autogpt_db.errors import AutogptDbError, CallError
from autogpt_db.logs.events import worker as log
from autogpt_db.worker.handle import JobDatabase

if TYPE_CHECKING:
    from autogpt_db.database.pool import Pool
    from autogpt_db.worker.registry import Job
    from autogpt_db.worker.runs import JobRun


async def run_job(job: Job, run: JobRun, pool: Pool, lacked: list[object]) -> dict[str, Any]:
    """Do a job's work within its time limit, and return what it counted.

    Where the database lacks what its statements need, it rests; where somebody waits for its locks,
    it stops.

    Args:
        job: The job.
        run: Its run.
        pool: What its statements go through.
        lacked: What this process has warned of. A newer AutoGPT's database may lack it for good,
            and doctor says so for as long; a warning at every run would hide others.
    """
    call = pool.call(run.job, reads=False)
    handle = JobDatabase(call, run, statement_limit=job.statement_limit)
    async with asyncio.timeout(job.time_limit):
        with suppress(AutogptDbError, TimeoutError):  # its own statements tell of an outage
            await pool.knowledge.look()
        lacks = job.lacks(pool.knowledge, pool.url.schema)
        if lacks:
            why = told([lacks])
            known = why["missing"] == lacked
            lacked[:] = why["missing"]
            log.job_rests.at(DEBUG if known else WARNING, job=run.job, id=run.job_id, **why)
            run.result = {"rests": True, "missing": why["missing"]}
            return run.result
        try:
            lacked.clear()
            return await _work(job, run, handle)
        except CallError:
            if not run.gave_way:
                raise
            run.result = {"gave_way": True}
            return run.result


async def _work(job: Job, run: JobRun, handle: JobDatabase) -> dict[str, Any]:
    if not job.atomic:
        run.result = dict(await job.function(handle) or {})
        return run.result
    async with handle.transaction() as inside:
        run.result = dict(await job.function(handle.within(inside)) or {})
        await handle.end_with(inside)
    run.ended = True
    return run.result
