"""Jobs rest where the database lacks what they need, and stand in no migration's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.worker import registry
from autogpt_db.worker.connecting import QueueConnector
from autogpt_db.worker.queue import open_queue
from worker_scenarios import Queries, enqueue, eventually, jobs_of, settings_for, working

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

JOBS = registry.discover()


@pytest.fixture
def url(release_database: Callable[..., str]) -> str:
    return release_database("v0.6.68", ours=True)


@pytest.fixture
def queries(url: str) -> Iterator[Queries]:
    found = Queries(url)
    yield found
    found.close()


def test_each_job_finds_what_it_needs_on_every_release() -> None:
    for release in RELEASES:
        catalogue = catalogue_of(release.state)
        lacking = {
            name: [lack.what for lack in lacks]
            for name, job in JOBS.items()
            if (lacks := job.needs(Capabilities.of(catalogue)).lacks(catalogue))
        }
        assert lacking == {}, release.name
    walked = {table for _, table in JOBS["retain"].needs(Capabilities()).uses}
    assert {"AgentGraphExecution", "AgentNodeExecution"} <= walked, "classes are read, too"


def run(url: str, queries: Queries, *names: str) -> None:
    """Run jobs until they have ended."""
    settings = settings_for(url)
    jobs = {name: JOBS[name] for name in names}

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            for name in names:
                await enqueue(queue, name)
            await eventually(lambda: queries.statuses() == ["succeeded"] * len(names))

    asyncio.run(main())


def test_a_job_rests_and_says_what_is_missing(
    url: str, queries: Queries, capfd: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(url, autocommit=True) as theirs:
        theirs.execute('ALTER TABLE platform."NotificationEvent" RENAME TO "Other"')
        theirs.execute("DROP FUNCTION platform.refresh_store_materialized_views()")
    run(url, queries, "age_notification_batches", "refresh_store_views", "clean_oauth_tokens")
    results = dict(queries.rows("SELECT job, result FROM autogpt_db.job_run"))
    assert results["age_notification_batches"] == {
        "rests": True, "missing": ['table "NotificationEvent"'],
    }  # fmt: skip
    assert results["refresh_store_views"]["missing"] == [
        "function refresh_store_materialized_views()"
    ]
    assert "rests" not in results["clean_oauth_tokens"]
    assert "job_rests" in capfd.readouterr().out


def test_a_job_that_rests_warns_once_of_the_same(url: str, queries: Queries) -> None:
    settings = settings_for(url)
    jobs = {name: registry.discover()[name] for name in ("refresh_store_views",)}

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            for runs in range(1, 4):
                await enqueue(queue, "refresh_store_views")
                done = ["succeeded"] * runs
                await eventually(lambda done=done: queries.statuses() == done, seconds=60)

    with psycopg.connect(url, autocommit=True) as theirs:
        theirs.execute("DROP FUNCTION platform.refresh_store_materialized_views()")
    with structlog.testing.capture_logs() as records:
        asyncio.run(main())
    levels = [each["log_level"] for each in records if each["event"] == "job_rests"]
    assert levels == ["warning", "debug", "debug"]


@pytest.mark.parametrize("late", [False, True], ids=["", "the cancelling's answer is late"])
def test_a_job_that_a_migration_waits_for_gives_way(
    url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    settings = settings_for(url)
    execute = QueueConnector.execute_query_all_async

    async def answered_late(self: QueueConnector, query: str, **arguments: Any) -> Any:
        """Let the job hear of its end before the one who cancelled it does."""
        answer = await execute(self, query, **arguments)
        if answer and "pg_cancel_backend" in query:
            await eventually(lambda: queries.statuses() != ["doing"])
        return answer

    if late:
        monkeypatch.setattr(QueueConnector, "execute_query_all_async", answered_late)

    async def linger(database: JobDatabase) -> dict[str, Any]:
        """Hold a table for much longer than a migration should wait."""
        async with database.transaction() as inside:
            await inside.execute('LOCK TABLE platform."AgentBlock" IN ROW EXCLUSIVE MODE')
            await inside.row("SELECT pg_sleep(50)")
        return {"lingered": True}

    jobs = jobs_of(linger)
    migrated = threading.Event()

    def migrate() -> None:
        with psycopg.connect(url, autocommit=True) as theirs:
            theirs.execute('ALTER TABLE platform."AgentBlock" ADD COLUMN "new" text')
        migrated.set()

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "linger")
            held = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(50)%%'"
            await eventually(lambda: queries.value(held) == 1)
            migration = threading.Thread(target=migrate)
            migration.start()
            await eventually(lambda: queries.statuses() == ["succeeded"], seconds=60)
            await asyncio.to_thread(migration.join, 60)

    asyncio.run(main())
    assert migrated.is_set()
    assert queries.rows("SELECT result FROM autogpt_db.job_run") == [({"gave_way": True},)]
