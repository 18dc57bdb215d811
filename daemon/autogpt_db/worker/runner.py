"""The worker process: open the queue, serve it, outlive every outage, stop in good order."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import suppress
from logging import DEBUG, INFO
from typing import TYPE_CHECKING, Any

import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from autogpt_db.database.causes import why_refused
from autogpt_db.database.pool import Pool
from autogpt_db.database.pool.knowledge import is_about_schema
from autogpt_db.database.pool.metrics import PoolMetrics
from autogpt_db.database.url import direct_database_url
from autogpt_db.errors import EXIT_STOPPED, AutogptDbError
from autogpt_db.heartbeat import Heartbeat
from autogpt_db.logs import format_in_use
from autogpt_db.logs.events import worker as log
from autogpt_db.metrics import families, open_store
from autogpt_db.metrics.publishing import publish_forever
from autogpt_db.worker import library, registry, rescue
from autogpt_db.worker.fencing import FetchedJob
from autogpt_db.worker.giving_way import give_way
from autogpt_db.worker.queue import (
    APPLICATION,
    STATEMENT_LIMIT,
    QueueConnector,
    build_app,
    connection_shares,
    open_queue,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from procrastinate import JobContext

    from autogpt_db.settings import Settings
    from autogpt_db.worker.fencing import JobRun
    from autogpt_db.worker.queue import Queue
    from autogpt_db.worker.registry import Job

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two attempts to open the queue: doubled from the first up to the second."""
STEADY = 10.0
"""Seconds after which an open queue counts as recovered, and pauses start small again."""
POLL = 5.0
"""Seconds between two looks for due jobs, where no notification tells of them sooner."""
LAST_WORDS = 2.0
"""Seconds that a job gets to end after it was cancelled, or when the queue was lost."""

OUTCOMES = ("succeeded", "failed", "handed back")


class QueueLostError(Exception):
    """The queue's database went away, or its tables are not there."""


def run_worker(settings: Settings) -> int:
    """Run one worker process until SIGTERM or SIGINT; a second one hastens the stop.

    Returns:
        Exit code 0. An outage of PostgreSQL, however long, does not end the process.

    Raises:
        ConfigurationError: A job's schedule is no cron line.
    """
    jobs = registry.discover()
    build_app(settings, jobs, QueueConnector(pooled=False))  # the schedules, before anything runs
    library.take_over_records()
    return asyncio.run(WorkerProcess(settings, jobs).run())


class WatchedWorker(Worker):
    """procrastinate's worker, which tells when it stops by itself.

    It does when a side task of its own fails (signs of life, LISTEN), and then it waits without
    limit, and without signs of life, for the jobs that run.

    Args:
        lost: Is set when it stops.
        given: What procrastinate's takes.
    """

    def __init__(self, *given: Any, lost: asyncio.Event, **named: Any) -> None:
        super().__init__(*given, **named)
        self._lost = lost

    def stop(self) -> None:
        """Stop when the running jobs are done."""
        super().stop()  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
        self._lost.set()


class WorkerProcess:
    """A worker from start to stop."""

    def __init__(self, settings: Settings, jobs: Mapping[str, Job]) -> None:
        self._settings = settings
        self._jobs = jobs
        self._stop = asyncio.Event()
        self._hasten = asyncio.Event()
        self._running: dict[asyncio.Task[Any], JobRun] = {}
        self._ended: set[str] = set()
        self._complaint: str | None = None
        self._heartbeat = Heartbeat(settings.paths.runtime)
        self._metrics = open_store(settings)
        _, _, self._share = connection_shares(
            settings.worker.pool_size, pooled=direct_database_url(settings).pgbouncer
        )

    async def run(self) -> int:
        """Serve until told to stop, and return the exit code."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(library.on_loop_exception)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        share = self._share
        async with Pool.open(self._settings, name=APPLICATION, size=share) as pool:
            beating = asyncio.create_task(self._heartbeat.beat_forever(pool.figures, self._work))
            # Up, and of no use before it has a queue.
            self._heartbeat.up(able=False)
            pool_metrics = PoolMetrics(pool, self._metrics)
            for name in self._jobs:
                for outcome in OUTCOMES:
                    # A series that begins with its first failure has no increase to alert on.
                    self._metrics.add(families.JOB_RUNS, 0, name, outcome)

            def publish() -> None:
                pool_metrics.publish()
                self._metrics.set(families.JOBS_RUNNING, len(self._running))

            publishing = asyncio.create_task(publish_forever(publish))
            keeping_up = asyncio.create_task(pool.keep_up(), name="schema")
            try:
                await self._serve(pool)
            finally:
                beating.cancel()
                keeping_up.cancel()
                publishing.cancel()
        log.worker_stopped()
        return EXIT_STOPPED

    def stop(self) -> None:
        """Ask for the stop: the first time when the running jobs are done, then at once."""
        if self._stop.is_set():
            self._hasten.set()
        self._stop.set()

    def _work(self) -> list[str]:
        """Return in words how far the long runs are."""
        return [words for run in self._running.values() if (words := run.words())]

    async def _serve(self, pool: Pool) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                async with open_queue(self._settings, self._jobs) as queue:
                    await self._session(queue, pool)
            except (QueueLostError, ConnectorException, psycopg.Error, OSError) as error:
                self._complain(error)
                self._heartbeat.able(able=False, complaint=f"no queue: {self._words_for(error)}")
            steady = time.monotonic() - began > STEADY
            pause = FIRST_PAUSE if steady else min(pause * 2, LONGEST_PAUSE)
            with suppress(TimeoutError):
                spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, no secret
                await asyncio.wait_for(self._stop.wait(), pause * spread)

    async def _session(self, queue: Queue, pool: Pool) -> None:
        """Serve the open queue until it is lost, or until the stop that was asked for is done."""
        if not await queue.app.check_connection_async():
            raise QueueLostError(
                "its tables are missing or closed to us; `autogpt-db migrate` makes and opens them"
            )
        worker = WatchedWorker(
            queue.app,
            lost=queue.connector.lost,
            queues=list(self._jobs),
            # One more would only wait for a connection that another job holds, and then fail.
            concurrency=min(self._settings.worker.concurrency, self._share),
            fetch_job_polling_interval=POLL,
            listen_notify=queue.listens,
            additional_context={"pool": pool},
            install_signal_handlers=False,
            update_heartbeat_interval=rescue.HEARTBEAT,
            stalled_worker_timeout=rescue.STALLED,
            worker_middleware=[self._observe],
        )
        self._complaint = None
        log.worker_ready(jobs=list(self._jobs), notified=queue.listens)
        self._heartbeat.able(able=True)
        serving: asyncio.Task[None] = asyncio.create_task(
            worker.run(),  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
            name="queue",
        )
        tending = asyncio.create_task(rescue.tend(queue), name="rescue")
        yielding = asyncio.create_task(give_way(queue, self._running.values), name="giving way")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        losing = asyncio.create_task(queue.connector.lost.wait(), name="lost")
        tasks = (serving, tending, yielding, stopping, losing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            grace = self._settings.worker.stop_timeout if stopping.done() else LAST_WORDS
            tending.cancel()
            yielding.cancel()
            await self._end(queue, worker, serving, grace)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if self._stop.is_set():
            return
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        raise QueueLostError(queue.connector.last_failure or "procrastinate ended by itself")

    async def _end(
        self, queue: Queue, worker: WatchedWorker, serving: asyncio.Task[None], grace: float
    ) -> None:
        """End the worker: its jobs get `grace` seconds, then they go back to the queue."""
        worker.stop()
        living = asyncio.create_task(_show_life(queue, worker), name="signs of life")
        hasten = asyncio.create_task(self._hasten.wait(), name="hasten")
        try:
            await asyncio.wait(
                {serving, hasten}, timeout=grace, return_when=asyncio.FIRST_COMPLETED
            )
            if serving.done():
                return
            for task in list(self._running):
                task.cancel()
            await asyncio.wait({serving}, timeout=LAST_WORDS + STATEMENT_LIMIT)
        finally:
            hasten.cancel()
            living.cancel()

    async def _observe(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker
    ) -> Any:
        """Log every run of a job with its outcome, and know which are running."""
        task = asyncio.current_task()
        assert task is not None
        assert isinstance(context.job, FetchedJob)
        run = context.job.run
        self._running[task] = run
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
            run.reason = str(error) or (
                f"beyond its limit of {self._jobs[run.job].time_limit:g} s"
                if isinstance(error, TimeoutError)
                else type(error).__name__
            )
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
            del self._running[task]
            self._metrics.add(families.JOB_RUNS, 1, run.job, outcome)
            self._metrics.observe(families.JOB_SECONDS, time.monotonic() - run.began, run.job)
        # Who has just started it at a terminal shall see that it serves, not what was due anyway.
        due_at_start = run.job not in self._ended and format_in_use() == "console"
        self._ended.add(run.job)
        fields = {"job": run.job, "id": run.job_id, "attempt": run.attempt}
        fields["seconds"] = round(time.monotonic() - run.began, 3)
        log.job_succeeded.at(DEBUG if due_at_start else INFO, **fields | result)
        return result

    def _complain(self, error: Exception) -> None:
        """Say why the queue is lost; once for each reason, however long it lasts."""
        cause = error.__cause__ if isinstance(error, ConnectorException) else error
        lines = str(cause or error).strip().splitlines() or [type(error).__name__]
        reason = lines[0]
        if reason != self._complaint:
            self._complaint = reason
            log.queue_lost(reason=reason)

    @staticmethod
    def _words_for(error: Exception) -> str:
        """Return why the queue is lost for the status, which anybody may see: no driver's words."""
        if isinstance(error, QueueLostError):
            return str(error)
        cause = error.__cause__ if isinstance(error, ConnectorException) else error
        if isinstance(cause, psycopg.ProgrammingError):  # a right, a table, a function
            return "something of it is missing or closed to us; `autogpt-db doctor` says what"
        return why_refused(error) if isinstance(error, psycopg.OperationalError) else "it was lost"


async def _show_life(queue: Queue, worker: Worker) -> None:
    """Go on with the signs of life, which procrastinate ends as soon as it shall stop.

    Without them a job that is given time to finish would be taken away meanwhile.
    """
    while worker.worker_id is not None:
        with suppress(ConnectorException, OSError):
            await queue.app.job_manager.update_heartbeat(worker.worker_id)
        await asyncio.sleep(rescue.HEARTBEAT)
