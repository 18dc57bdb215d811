"""The queue: procrastinate, on connections of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict, timeout_from_conninfo
from psycopg_pool import AsyncConnectionPool

from autogpt_db.database.url import direct_database_url
from autogpt_db.worker.connecting import (
    STATEMENT_LIMIT,
    QueueConnection,
    QueueConnector,
    QueuePool,
)
from autogpt_db.worker.scheduling import build_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from procrastinate import App

    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings
    from autogpt_db.worker.registry import Job

SCHEMA = "autogpt_db"
CONNECTION_LIMIT = 3.0
"""Seconds that a statement of the queue may wait for its connection: then the queue is lost.

Whoever opens it anew waits for as long as `database.connect_timeout` says.
"""
APPLICATION = "autogpt-db worker"


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
        pool: AsyncConnectionPool[QueueConnection],
        jobs: Mapping[str, Job],
        *,
        listens: bool,
    ) -> None:
        self.app = app
        self.jobs = jobs
        self.connector = connector
        self.pool = pool
        self.listens = listens


def connection_shares(size: int, *, pooled: bool) -> tuple[int, bool, int]:
    """Divide `worker.pool_size` between the queue's statements, LISTEN and the jobs' own work.

    Returns:
        Connections for statements, whether one more listens, and connections for the jobs.
    """
    listens = not pooled and size >= 3  # noqa: PLR2004 - one for each of the three
    left = size - 1 - (1 if listens else 0)
    return 1, listens, left


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
    await (await QueueConnection.connect(conninfo)).close()
    size, listens, _ = connection_shares(settings.worker.pool_size, pooled=target.pgbouncer)
    connector = QueueConnector(pooled=target.pgbouncer)
    app = build_app(settings, jobs, connector)
    async with (
        QueuePool(
            conninfo,
            connection_class=QueueConnection,
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


async def _configure(connection: QueueConnection) -> None:
    await connection.set_autocommit(True)
