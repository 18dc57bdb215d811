"""What the worker's tests share: settings, jobs, a worker in this process, a look from outside."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from autogpt_db.database.url import DatabaseUrl
from autogpt_db.settings import DatabaseSettings, Secret, Settings, WorkerSettings
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.registry import Job, Schedule, discover
from autogpt_db.worker.runner import WorkerProcess
from postgres_server import with_schema
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from autogpt_db.worker.queue import Queue
    from autogpt_db.worker.registry import JobFunction

NEVER = "0 0 29 2 1"
WHENEVER = Schedule("oauth_cleanup_schedule", "* * * * *", "the scenario says so")
SCHEDULES = [name for name in WorkerSettings.__struct_fields__ if name.endswith("_schedule")]
EVERY_SECOND = "* * * * * *"


OUTCOME = """
SELECT outcome, result FROM autogpt_db.job_run
 WHERE job = %(job)s AND ended_at IS NOT NULL ORDER BY token DESC LIMIT 1
"""


def settings_for(url: str, *, schedule: str = NEVER, direct_url: str | None = None) -> Settings:
    directory = Path(tempfile.gettempdir())
    schedules: dict[str, Any] = dict.fromkeys(SCHEDULES, "never")
    schedules["oauth_cleanup_schedule"] = schedule
    return Settings(
        state_directory=directory,
        runtime_directory=directory,
        database=DatabaseSettings(
            url=Secret(with_schema(url)),
            direct_url=Secret(direct_url) if direct_url else None,
            connect_timeout=2,
        ),
        worker=WorkerSettings(
            **schedules,
            concurrency=4,
            pool_size=6,
            stop_timeout=5.0,
        ),
    )


def with_parameter(url: str, parameter: str) -> str:
    return url + ("&" if "?" in url else "?") + parameter


def jobs_of(
    function: JobFunction, *, time_limit: float = 20.0, attempts: int = 4, atomic: bool = False
) -> dict[str, Job]:
    name = function.__name__
    return {name: Job(name, function, WHENEVER, time_limit, attempts, atomic)}


async def enqueue(queue: Queue, name: str) -> int:
    """Ask for a run of a job now, as procrastinate does at its times."""
    deferrer = queue.app.configure_task(name, allow_unknown=False)
    return await deferrer.defer_async(timestamp=0)


async def eventually(condition: Callable[..., Any], *, seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true in {seconds:g} s"
        await asyncio.sleep(0.02)
    return value


@asynccontextmanager
async def working(settings: Settings, jobs: Mapping[str, Job]) -> AsyncGenerator[WorkerProcess]:
    process = WorkerProcess(settings, jobs)
    task = asyncio.create_task(process.run())
    try:
        yield process
        assert not task.done(), "the worker ended by itself"
    finally:
        process.stop()
        assert await asyncio.wait_for(task, PATIENCE) == 0


class Queries:
    """Looks at the database from outside, on a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        target = DatabaseUrl.parse(url)
        self._connection = psycopg.connect(
            target.conninfo(connect_timeout=5, application_name="test"), autocommit=True
        )

    def rows(self, sql: Any, **parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []

    def value(self, sql: Any, **parameters: Any) -> Any:
        return self.rows(sql, **parameters)[0][0]

    def statuses(self) -> list[str]:
        return [
            row[0]
            for row in self.rows(
                "SELECT status::text FROM autogpt_db.procrastinate_jobs ORDER BY id"
            )
        ]

    def close(self) -> None:
        self._connection.close()


def run(
    queries: Queries, settings: Settings, name: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a job once; return what it counted, and every event."""
    jobs = discover()
    queries.rows("DELETE FROM autogpt_db.job_run")

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, name)
            await eventually(lambda: queries.rows(OUTCOME, job=name))

    with structlog.testing.capture_logs() as events:
        asyncio.run(main())
    ((outcome, result),) = queries.rows(OUTCOME, job=name)
    assert outcome == "succeeded", events
    return result, [dict(event) for event in events]


def figures(queries: Queries, name: str) -> list[float]:
    return [
        row[0]
        for row in queries.rows(
            "SELECT value FROM autogpt_db.job_figure WHERE name = %(name)s ORDER BY labels::text",
            name=name,
        )
    ]
