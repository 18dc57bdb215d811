"""The queue: procrastinate, on connections of its own, with every wait bounded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from logging import DEBUG, WARNING
from typing import TYPE_CHECKING, Any, Self

import psycopg
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from psycopg.conninfo import conninfo_to_dict, timeout_from_conninfo
from psycopg_pool import AsyncConnectionPool

from autogpt_db.database.hosts import Hosts
from autogpt_db.database.schema import told
from autogpt_db.database.url import direct_database_url
from autogpt_db.errors import AutogptDbError, CallError, ConfigurationError
from autogpt_db.logs.events import worker as log
from autogpt_db.settings import ON_DEMAND
from autogpt_db.worker.fencing import FencedJobManager, FetchedJob
from autogpt_db.worker.handle import JobDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from procrastinate import JobContext
    from procrastinate.jobs import Job as QueuedJob
    from psycopg.rows import DictRow

    from autogpt_db.database.pool import Pool
    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings
    from autogpt_db.worker.fencing import JobRun
    from autogpt_db.worker.registry import Job

SCHEMA = "autogpt_db"
STATEMENT_LIMIT = 10.0
"""Seconds that a statement of the queue may take, in the server and as seen from here.

The second matters when the server's side is frozen or the network swallows its answer: without
it procrastinate would wait for ever, and look healthy.
"""
CONNECTION_LIMIT = 3.0
"""Seconds that a statement of the queue may wait for its connection: then the queue is lost.

Whoever opens it anew waits for as long as `database.connect_timeout` says.
"""
CATCH_UP = 24 * 3600.0
"""Seconds back to which a run that was missed, because no worker was up, is made up for (once)."""

LONGEST_PAUSE = 600.0
"""Seconds between two attempts of a job at most; they double from two on."""
ASKED_FIRST = 1
"""Priority of a job's own run; of those about one thing each there may be thousands."""

APPLICATION = "autogpt-db worker"
SET_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', 'autogpt_db', true)"


class _QueueConnection(psycopg.AsyncConnection[Any]):
    """A connection of the queue's, to whichever of the database's addresses answers first."""

    @classmethod
    async def connect(cls, conninfo: str = "", **given: Any) -> Self:
        return await Hosts(conninfo).connect(super().connect, **given)


class QueueConnector(PsycopgConnector):
    """procrastinate's connector, for any kind of PostgreSQL and for every outage.

    It replaces two things. Behind a transaction pooler a session's settings are not ours, so each
    statement runs in a transaction that sets the search path for itself alone. And each statement
    is bounded by `STATEMENT_LIMIT` on this side too.

    Attributes:
        last_failure: What went wrong last.
        lost: Set when the worker cannot go on with this queue, and has to open it anew.
    """

    def __init__(self, *, pooled: bool) -> None:
        super().__init__()
        self._pooled = pooled
        self.last_failure: Exception | None = None
        self.lost = asyncio.Event()

    @asynccontextmanager
    async def _get_cursor(
        self, connection: psycopg.AsyncConnection[Any] | None = None
    ) -> AsyncGenerator[psycopg.AsyncCursor[DictRow]]:
        try:
            async with (
                asyncio.timeout(STATEMENT_LIMIT),
                super()._get_cursor(connection) as cursor,
            ):
                if not self._pooled:
                    yield cursor
                    return
                async with cursor.connection.transaction():
                    await cursor.execute(SET_SEARCH_PATH)
                    yield cursor
        except TimeoutError as error:
            self.last_failure = TimeoutError(f"no answer within {STATEMENT_LIMIT:g} s")
            raise self.last_failure from error
        except psycopg.Error as error:
            self.last_failure = error
            raise


class QueuePool(AsyncConnectionPool[_QueueConnection]):
    """procrastinate's connections, each of which comes back whatever becomes of its borrower.

    Replaces stock behaviour: a borrower that is cancelled while it waits for the pool's lock, as
    by a job's time limit, leaves its connection counted as open and lent to nobody.
    """

    def __init__(self, conninfo: str, **given: Any) -> None:
        super().__init__(conninfo, **given)
        self._returns: set[asyncio.Task[None]] = set()

    async def putconn(self, conn: _QueueConnection) -> None:
        """Take a connection back; a cancellation ends the waiting for that, and not the return."""
        task = asyncio.create_task(super().putconn(conn), name="returning")
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)
        await asyncio.shield(task)


class Queue:
    """An open queue and what serves it.

    Attributes:
        app: procrastinate's application, with every job registered.
        jobs: The jobs, by name.
        connector: Its connector, which says whether the queue was lost, and why.
        pool: The connections that procrastinate's statements go through.
        listens: Whether new jobs are announced (LISTEN) or only found by polling.
    """

    def __init__(
        self,
        app: App,
        connector: QueueConnector,
        pool: AsyncConnectionPool[_QueueConnection],
        jobs: Mapping[str, Job],
        *,
        listens: bool,
    ) -> None:
        self.app = app
        self.jobs = jobs
        self.connector = connector
        self.pool = pool
        self.listens = listens

    async def enqueue(self, name: str, key: str | None = None) -> int:
        """Ask for one run of the job `name` now, and return the queued job's id.

        Args:
            name: The job.
            key: What the run is about. Runs with different keys wait and run beside each other.

        Raises:
            procrastinate.exceptions.AlreadyEnqueued: A run is waiting already.
        """
        if key is None:
            deferrer = self.app.configure_task(name, allow_unknown=False)
            return await deferrer.defer_async(timestamp=0)
        lock = f"{name}:{key}"
        deferrer = self.app.configure_task(
            name, allow_unknown=False, lock=lock, queueing_lock=lock, priority=0
        )
        return await deferrer.defer_async(timestamp=0, key=key)


def connection_shares(size: int, *, pooled: bool) -> tuple[int, bool, int]:
    """Divide `worker.pool_size` between the queue's statements, LISTEN and the jobs' own work.

    Returns:
        Connections for statements, whether one more listens, and connections for the jobs.
    """
    listens = not pooled and size >= 3  # noqa: PLR2004 - one for each of the three
    left = size - 1 - (1 if listens else 0)
    return 1, listens, left


class Retries(BaseRetryStrategy):
    """Attempts at a job, with pauses that double up to `LONGEST_PAUSE`.

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
        return RetryDecision(retry_in={"seconds": int(min(2.0**spent, LONGEST_PAUSE))})


@asynccontextmanager
async def open_queue(
    settings: Settings, jobs: Mapping[str, Job], *, url: DatabaseUrl | None = None
) -> AsyncIterator[Queue]:
    """Open the queue on the database that answers now; everything is closed at the end.

    Args:
        settings: Where the database is; `database.direct_url` is preferred.
        jobs: The jobs to register, by name.
        url: Another target than the settings' own.

    Raises:
        psycopg.OperationalError: PostgreSQL does not answer.
        ConfigurationError: A schedule is no cron line.
    """
    target = url or direct_database_url(settings)
    conninfo = target.conninfo(
        connect_timeout=settings.database.connect_timeout,
        application_name=APPLICATION,
        search_path=SCHEMA,
        statement_timeout=str(int(STATEMENT_LIMIT * 1000)),
    )
    # Asked once before the pool is: it names the reason, where a pool only says "timeout".
    await (await _QueueConnection.connect(conninfo)).close()
    size, listens, _ = connection_shares(settings.worker.pool_size, pooled=target.pgbouncer)
    connector = QueueConnector(pooled=target.pgbouncer)
    app = build_app(settings, jobs, connector)
    async with (
        QueuePool(
            conninfo,
            connection_class=_QueueConnection,
            min_size=size,
            max_size=size,
            open=False,
            name=APPLICATION,
            # Not autocommit: procrastinate passes that itself for the connection that listens.
            kwargs={"prepare_threshold": None} if target.pgbouncer else {},
            configure=_configure,
            check=AsyncConnectionPool.check_connection,
            timeout=CONNECTION_LIMIT,
            reconnect_timeout=1.0,
        ) as pool,
        app.open_async(pool),
    ):
        await pool.wait(_longest_attempt(conninfo))
        yield Queue(app, connector, pool, jobs, listens=listens)


def _longest_attempt(conninfo: str) -> float:
    """Return the seconds within which a connection is there, or cannot be had."""
    # One for the server's own work: it has answered in time just before.
    return timeout_from_conninfo(conninfo_to_dict(conninfo)) + 1.0


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


async def _configure(connection: _QueueConnection) -> None:
    await connection.set_autocommit(True)


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
        key: str | None = None,  # noqa: ARG001 - the run knows it
    ) -> dict[str, Any]:
        assert isinstance(context.job, FetchedJob)
        return await run_job(job, context.job.run, context.additional_context["pool"], lacked)

    task = app.task(
        name=job.name,
        # A queue of its own: a worker that does not know a newer program's job leaves it alone.
        queue=job.name,
        lock=job.name,
        queueing_lock=job.name,
        priority=ASKED_FIRST,
        retry=Retries(job.attempts),
        pass_context=True,
    )(run)
    if cron is not None:
        app.periodic(cron=cron)(task)


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
