"""The jobs as procrastinate knows them: when each is due, and how often it is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procrastinate import App, BaseRetryStrategy, RetryDecision

from autogpt_db.backoff import Backoff
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import ON_DEMAND
from autogpt_db.worker.fencing import FencedJobManager, FetchedJob
from autogpt_db.worker.running import run_job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from procrastinate import JobContext
    from procrastinate.jobs import Job as QueuedJob

    from autogpt_db.settings import Settings
    from autogpt_db.worker.connecting import QueueConnector
    from autogpt_db.worker.registry import Job

CATCH_UP = 24 * 3600.0
"""Seconds back to which a run that was missed, because no worker was up, is made up for (once)."""
PRIORITY = 1
"""Every job's, as of those that earlier versions have left in the queue."""
BETWEEN_ATTEMPTS = Backoff(first=2.0, longest=600.0)
"""Pauses between two attempts of a job."""


def build_app(settings: Settings, jobs: Mapping[str, Job], connector: QueueConnector) -> App:
    """Return procrastinate's application with `jobs` on their schedules, not opened yet.

    Raises:
        ConfigurationError: A schedule is no cron line.
    """
    app = App(connector=connector, periodic_defaults={"max_delay": CATCH_UP})
    app.job_manager = FencedJobManager(connector, connector.lost)
    for job in jobs.values():
        _register(app, job, schedule_of(settings, job))
    for (name, _), periodic in app.periodic_registry.periodic_tasks.items():
        try:
            _ = periodic.croniter
        except ValueError as error:
            raise ConfigurationError(
                f"{jobs[name].option}: {periodic.cron!r} is not a cron line ({error}); "
                "expected minute, hour, day of month, month and day of week, such as "
                f"'17 */6 * * *', or {ON_DEMAND!r}."
            ) from None
    return app


class Retries(BaseRetryStrategy):
    """Attempts at a job, with pauses that double.

    Args:
        attempts: How many there are.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts

    def get_retry_decision(
        self,
        *,
        exception: BaseException,  # noqa: ARG002 - procrastinate's signature
        job: QueuedJob,
    ) -> RetryDecision | None:
        """Say when a job that failed is tried again; None when it isn't."""
        spent = job.attempts + 1
        if spent >= self._attempts:
            return None
        return RetryDecision(retry_in={"seconds": round(BETWEEN_ATTEMPTS.pause(spent))})


def schedule_of(settings: Settings, job: Job) -> str | None:
    """Return a job's cron line; None when it only runs on demand.

    Raises:
        TypeError: The job was declared since the options were written.
    """
    if job.schedule is None:
        return None
    line: str | None = getattr(settings.worker, job.schedule.option, None)
    if line is None:
        raise TypeError(f"The job {job.name} has no option {job.option} yet: run `make reference`.")
    return None if line == ON_DEMAND else line


def _register(app: App, job: Job, cron: str | None) -> None:
    """Make `job` known to procrastinate: at most one waits and one runs, over all hosts."""
    lacked: list[object] = []

    async def run(
        context: JobContext,
        timestamp: int,  # noqa: ARG001 - every periodic job of procrastinate's gets it
    ) -> dict[str, Any]:
        assert isinstance(context.job, FetchedJob)
        return await run_job(job, context.job.run, context.additional_context["pool"], lacked)

    task = app.task(
        name=job.name,
        # A queue of its own: a worker that does not know a newer program's job leaves it alone.
        queue=job.name,
        lock=job.name,
        queueing_lock=job.name,
        priority=PRIORITY,
        retry=Retries(job.attempts),
        pass_context=True,
    )(run)
    if cron is not None:
        app.periodic(cron=cron)(task)
