"""The worker process: open the queue, serve it, outlive every outage, stop in good order."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from procrastinate.exceptions import ConnectorException

from autogpt_db.backoff import Backoff
from autogpt_db.database.pool import Pool
from autogpt_db.database.pool.metrics import PoolMetrics
from autogpt_db.database.url import direct_database_url
from autogpt_db.errors import EXIT_STOPPED
from autogpt_db.gateways.failures import GatewayMetrics
from autogpt_db.heartbeat import Heartbeat
from autogpt_db.logs.events import worker as log
from autogpt_db.metrics import open_store
from autogpt_db.metrics.publishing import publish_forever
from autogpt_db.traces import LAST_WORDS as TRACES_LAST_WORDS
from autogpt_db.traces import open_tracer
from autogpt_db.worker import library, registry, rescue
from autogpt_db.worker.connecting import STATEMENT_LIMIT, QueueConnector
from autogpt_db.worker.giving_way import give_way
from autogpt_db.worker.observing import Runs
from autogpt_db.worker.queue import APPLICATION, connection_shares, open_queue
from autogpt_db.worker.scheduling import build_app
from autogpt_db.worker.standing import STEADY, QueueLostError, Standing
from autogpt_db.worker.watched_worker import WatchedWorker, show_life

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.settings import Settings
    from autogpt_db.worker.queue import Queue
    from autogpt_db.worker.registry import Job

BETWEEN_TRIES = Backoff(first=0.2, longest=2.0)
"""Pauses between two attempts to open the queue."""
POLL = 5.0
"""Seconds between two looks for due jobs, where no notification tells of them sooner."""
LAST_WORDS = 2.0
"""Seconds that a job gets to end after it was cancelled, or when the queue was lost."""


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


class WorkerProcess:
    """A worker from start to stop."""

    def __init__(self, settings: Settings, jobs: Mapping[str, Job]) -> None:
        self._settings = settings
        self._jobs = jobs
        self._stop = asyncio.Event()
        self._hasten = asyncio.Event()
        self._heartbeat = Heartbeat(settings.paths.runtime)
        self._standing = Standing(self._heartbeat)
        self._metrics = open_store(settings)
        self._runs = Runs(jobs, self._metrics)
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
        tracer = self._runs.tracer = open_tracer(self._settings.traces, self._metrics)
        async with Pool.open(self._settings, name=APPLICATION, size=share) as pool:
            beating = asyncio.create_task(
                self._heartbeat.beat_forever(pool.figures, self._runs.words)
            )
            # Up, and of no use before it has a queue.
            self._heartbeat.up(able=False)
            pool_metrics = PoolMetrics(pool, self._metrics)
            gateway_metrics = GatewayMetrics(self._metrics)

            def publish() -> None:
                pool_metrics.publish()
                gateway_metrics.publish()
                self._runs.publish()

            publishing = asyncio.create_task(publish_forever(publish))
            keeping_up = asyncio.create_task(pool.keep_up(), name="schema")
            try:
                await self._serve(pool)
            finally:
                beating.cancel()
                keeping_up.cancel()
                publishing.cancel()
        if tracer is not None:
            await tracer.close(0.0 if self._hasten.is_set() else TRACES_LAST_WORDS)
        log.worker_stopped()
        return EXIT_STOPPED

    def stop(self) -> None:
        """Ask for the stop: the first time when the running jobs are done, then at once."""
        if self._stop.is_set():
            self._hasten.set()
        self._stop.set()

    async def _serve(self, pool: Pool) -> None:
        failures = 0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                async with open_queue(self._settings, self._jobs) as queue:
                    await self._session(queue, pool)
            except (QueueLostError, ConnectorException, psycopg.Error, OSError) as error:
                self._standing.lost(error)
            steady = time.monotonic() - began > STEADY
            failures = 1 if steady else failures + 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), BETWEEN_TRIES.pause(failures))

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
            worker_middleware=[self._runs.observe],
        )
        opened = self._standing.opened(list(self._jobs), notified=queue.listens)
        telling = asyncio.create_task(opened, name="telling")
        serving: asyncio.Task[None] = asyncio.create_task(
            worker.run(),  # type: ignore[no-untyped-call] # procrastinate leaves it untyped
            name="queue",
        )
        tending = asyncio.create_task(rescue.tend(queue), name="rescue")
        yielding = asyncio.create_task(
            give_way(queue, self._runs.running.values), name="giving way"
        )
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        losing = asyncio.create_task(queue.connector.lost.wait(), name="lost")
        ending = (serving, tending, yielding, stopping, losing)
        tasks = (*ending, telling)
        try:
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
            grace = self._settings.worker.stop_timeout if stopping.done() else LAST_WORDS
            tending.cancel()
            yielding.cancel()
            telling.cancel()
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
        living = asyncio.create_task(show_life(queue, worker), name="signs of life")
        hasten = asyncio.create_task(self._hasten.wait(), name="hasten")
        try:
            await asyncio.wait(
                {serving, hasten}, timeout=grace, return_when=asyncio.FIRST_COMPLETED
            )
            if serving.done():
                return
            self._runs.cancel()
            await asyncio.wait({serving}, timeout=LAST_WORDS + STATEMENT_LIMIT)
        finally:
            hasten.cancel()
            living.cancel()
