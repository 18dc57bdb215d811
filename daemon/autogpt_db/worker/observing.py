"""The runs of a worker process: which are under way, and what is told and counted of each."""

from __future__ import annotations

import asyncio
import time
from logging import DEBUG, INFO
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.database.pool.knowledge import is_about_schema
from autogpt_db.errors import AutogptDbError
from autogpt_db.logs import format_in_use
from autogpt_db.logs.events import worker as log
from autogpt_db.metrics import families
from autogpt_db.spans import SPAN
from autogpt_db.worker.fencing import FetchedJob

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from procrastinate import JobContext
    from procrastinate.worker import Worker

    from autogpt_db.metrics import Store
    from autogpt_db.spans import Span
    from autogpt_db.traces.tracer import Tracer
    from autogpt_db.worker.registry import Job
    from autogpt_db.worker.runs import JobRun

OUTCOMES = ("succeeded", "failed", "handed back")


class Runs:
    """What runs in this process, told and counted.

    Args:
        jobs: The jobs, by name.
        store: Where they are counted.

    Attributes:
        running: What is under way, by the task that does it.
        tracer: Begins their traces; None: there are none.
    """

    def __init__(self, jobs: Mapping[str, Job], store: Store) -> None:
        self._jobs = jobs
        self.tracer: Tracer | None = None
        self._metrics = store
        self.running: dict[asyncio.Task[Any], JobRun] = {}
        self._ended: set[str] = set()
        for name in jobs:
            for outcome in OUTCOMES:
                # A series that begins with its first failure has no increase to alert on.
                store.add(families.JOB_RUNS, 0, name, outcome)

    def words(self) -> list[str]:
        """Return in words how far the long ones are."""
        return [words for run in self.running.values() if (words := run.words())]

    def publish(self) -> None:
        """Write down how many there are."""
        self._metrics.set(families.JOBS_RUNNING, len(self.running))

    def cancel(self) -> None:
        """Cancel what is under way."""
        for task in list(self.running):
            task.cancel()

    async def observe(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker
    ) -> Any:
        """Log every run of a job with its outcome, and know which are running."""
        task = asyncio.current_task()
        assert task is not None
        assert isinstance(context.job, FetchedJob)
        run = context.job.run
        self.running[task] = run
        span = self._begin_span(run)
        outcome = "failed"
        try:
            result = await call_next()
        except asyncio.CancelledError:
            outcome = "handed back"
            run.handed_back = not context.should_abort()
            log.job_handed_back(
                job=run.job,
                id=run.job_id,
                attempt=run.attempt,
                seconds=round(time.monotonic() - run.began, 3),
            )
            raise
        except Exception as error:
            # Something is missing in the database: whose fault it is, no traceback says.
            expected = isinstance(error, AutogptDbError | TimeoutError) or is_about_schema(error)
            run.reason = reason_of(error, self._jobs[run.job].time_limit)
            log.job_failed(
                job=run.job,
                id=run.job_id,
                attempt=run.attempt,
                seconds=round(time.monotonic() - run.began, 3),
                again=run.attempt < self._jobs[run.job].attempts,
                reason=run.reason,
                exc_info=None if expected else error,
            )
            raise
        else:
            outcome = "succeeded"
        finally:
            del self.running[task]
            self._metrics.add(families.JOB_RUNS, 1, run.job, outcome)
            self._metrics.observe(families.JOB_SECONDS, time.monotonic() - run.began, run.job)
            if span is not None:
                span.attributes["autogpt_db.outcome"] = outcome
                span.failed = outcome == "failed"
                span.end()
        # Who has just started it at a terminal shall see that it serves, not what was due anyway.
        due_at_start = run.job not in self._ended and format_in_use() == "console"
        self._ended.add(run.job)
        fields = {"job": run.job, "id": run.job_id, "attempt": run.attempt}
        fields["seconds"] = round(time.monotonic() - run.began, 3)
        log.job_succeeded.at(DEBUG if due_at_start else INFO, **fields | result)
        return result

    def _begin_span(self, run: JobRun) -> Span | None:
        """Begin what is traced of a run, in its own task."""
        if self.tracer is None:
            return None
        span = self.tracer.begin_run(f"job {run.job}")
        SPAN.set(span)
        if span is not None:
            span.attributes["autogpt_db.job"] = run.job
            span.attributes["autogpt_db.job_id"] = run.job_id
            span.attributes["autogpt_db.attempt"] = run.attempt
        return span


def reason_of(error: Exception, limit: float) -> str:
    """Return why a run has failed, for who looks at jobs: neither a statement's text nor a value.

    Args:
        error: What it has raised; the log has all of it.
        limit: Seconds that the run was given.
    """
    if isinstance(error, psycopg.Error):
        # Its text quotes the statement, and may quote a row.
        said = error.diag.message_primary if is_about_schema(error) else None
        return said or f"{type(error).__name__}, SQLSTATE {error.sqlstate}: the log has more"
    if isinstance(error, TimeoutError):
        return str(error) or f"beyond its limit of {limit:g} s"
    return str(error) or type(error).__name__
