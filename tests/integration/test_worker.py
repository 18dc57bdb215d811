"""The worker on a real PostgreSQL: what it does, once, and what it outlives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.periodic import PeriodicDeferrer

from autogpt_db.database.pool import Database, Pool
from autogpt_db.operations.users.oauth import cleanup_expired_oauth_tokens
from autogpt_db.worker import rescue, runner
from autogpt_db.worker.connecting import QueueConnector
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.registry import discover
from autogpt_db.worker.scheduling import build_app
from waiting import PATIENCE
from worker_scenarios import (
    EVERY_SECOND,
    Queries,
    enqueue,
    eventually,
    jobs_of,
    settings_for,
    with_parameter,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.settings import Settings

PROGRAM = Path(sys.executable).parent / "autogpt-db"


def fill_oauth_tables(queries: Queries, *, expired: int, live: int) -> None:
    queries.rows(
        """INSERT INTO platform."User" (id, email, "updatedAt") VALUES ('u', 'u@x', now())"""
    )
    queries.rows(
        """INSERT INTO platform."OAuthApplication"
               (id, "updatedAt", name, "clientId", "clientSecret", "clientSecretSalt", "ownerId")
           VALUES ('a', now(), 'n', 'c', 's', 'x', 'u')"""
    )
    for table, columns, values in (
        ("OAuthAuthorizationCode", '"code", "redirectUri"', "'k' || n, 'https://x'"),
        ("OAuthAccessToken", '"token"', "'k' || n"),
        ("OAuthRefreshToken", '"token"', "'k' || n"),
    ):
        queries.rows(
            f"""INSERT INTO platform."{table}"
                    (id, "expiresAt", "applicationId", "userId", {columns})
                SELECT n::text,
                       (now() AT TIME ZONE 'UTC') + CASE WHEN n <= %(expired)s
                            THEN -interval '1 minute' * n ELSE interval '1 minute' * n END,
                       'a', 'u', {values}
                  FROM generate_series(1, %(all)s) AS n""",
            expired=expired,
            all=expired + live,
        )


def oauth_rows(queries: Queries) -> list[tuple[int, int]]:
    return [
        queries.rows(
            f"""SELECT count(*),
                       count(*) FILTER (WHERE "expiresAt" < now() AT TIME ZONE 'UTC')
                  FROM platform."{table}" """
        )[0]
        for table in ("OAuthAuthorizationCode", "OAuthAccessToken", "OAuthRefreshToken")
    ]


# The job -----------------------------------------------------------------------------------------


def test_the_operation_deletes_what_expired_whatever_the_sessions_time_zone(
    database_url: str, queries: Queries
) -> None:
    fill_oauth_tables(queries, expired=3, live=2)
    queries.rows(f"ALTER DATABASE {queries.value('SELECT current_database()')} "
                 "SET timezone TO 'Asia/Tokyo'")  # fmt: skip

    async def main() -> None:
        # As behind a transaction pooler, where the session's time zone is not ours to set.
        url = with_parameter(database_url, "pgbouncer=true")
        async with Pool.open(settings_for(url), size=1) as pool:
            call = pool.call("clean_oauth_tokens", reads=False)
            assert await cleanup_expired_oauth_tokens(call) == {
                "authorization_codes": 3,
                "access_tokens": 3,
                "refresh_tokens": 3,
            }

    asyncio.run(main())
    assert oauth_rows(queries) == [(2, 0)] * 3


def test_a_backlog_larger_than_one_batch_goes_entirely_and_held_rows_stay(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autogpt_db.operations.users.oauth.BATCH", 10)
    fill_oauth_tables(queries, expired=37, live=5)
    holder = Queries(database_url)
    holder.rows("BEGIN")
    holder.rows("""SELECT 1 FROM platform."OAuthAccessToken" WHERE id = '1' FOR UPDATE""")

    async def main() -> None:
        async with Pool.open(settings_for(database_url), size=1) as pool:
            call = pool.call("clean_oauth_tokens", reads=False)
            assert await cleanup_expired_oauth_tokens(call) == {
                "authorization_codes": 37,
                "access_tokens": 36,
                "refresh_tokens": 37,
            }

    asyncio.run(main())
    holder.close()
    assert oauth_rows(queries) == [(5, 0), (6, 1), (5, 0)]


def test_the_job_runs_on_demand_and_a_second_request_waits_for_the_first(
    database_url: str, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "POLL", 3600.0)  # what is found is found by being announced
    fill_oauth_tables(queries, expired=4, live=3)
    settings, jobs = settings_for(database_url), discover()

    async def main() -> None:
        async with open_queue(settings, jobs) as queue:
            await enqueue(queue, "clean_oauth_tokens")
            with pytest.raises(AlreadyEnqueued):
                await enqueue(queue, "clean_oauth_tokens")
            async with working(settings, jobs):
                await eventually(lambda: queries.statuses() == ["succeeded"])
                await enqueue(queue, "clean_oauth_tokens")
                await eventually(lambda: queries.statuses() == ["succeeded"] * 2)

    asyncio.run(main())
    assert oauth_rows(queries) == [(3, 0)] * 3
    assert queries.rows("SELECT id FROM autogpt_db.procrastinate_workers") == []


# Once, over all hosts ----------------------------------------------------------------------------


def test_two_workers_run_each_tick_once_and_never_two_at_a_time(
    database_url: str, queries: Queries
) -> None:
    active = peak = 0

    async def tick(database: Database) -> None:
        """Take longer than the pause between two ticks."""
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
        await database.row("SELECT pg_sleep(0.3)")
        active -= 1

    settings = settings_for(database_url, schedule=EVERY_SECOND)

    async def main() -> None:
        async with working(settings, jobs_of(tick)), working(settings, jobs_of(tick)):
            await eventually(lambda: queries.statuses().count("succeeded") >= 4)

    asyncio.run(main())
    assert peak == 1
    ticks = queries.rows(
        "SELECT args->>'timestamp', count(*) FROM autogpt_db.procrastinate_jobs GROUP BY 1"
    )
    assert len(ticks) >= 4
    assert {count for _, count in ticks} == {1}


def test_a_run_missed_while_no_worker_was_up_is_made_up_for_once(
    database_url: str, queries: Queries
) -> None:
    runs = 0

    async def tick(_database: Database) -> None:
        """Count."""
        nonlocal runs
        runs += 1

    hours_ago = time.gmtime(time.time() - 3 * 3600)
    settings = settings_for(database_url, schedule=f"{hours_ago.tm_min} {hours_ago.tm_hour} * * *")

    async def main() -> None:
        async with working(settings, jobs_of(tick)):
            await eventually(lambda: queries.statuses() == ["succeeded"])
        async with open_queue(settings, jobs_of(tick)) as queue, working(settings, jobs_of(tick)):
            await enqueue(queue, "tick")
            await eventually(lambda: queries.statuses() == ["succeeded"] * 2)

    asyncio.run(main())
    assert runs == 2
    by_schedule = "SELECT 1 FROM autogpt_db.procrastinate_jobs WHERE args->>'timestamp' <> '0'"
    assert len(queries.rows(by_schedule)) == 1


def test_a_schedule_is_in_utc_wherever_the_worker_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        settings = settings_for("postgresql://nowhere/x", schedule="0 6 * * *")
        app = build_app(settings, discover(), QueueConnector(pooled=False))
        deferrer = PeriodicDeferrer(app.periodic_registry)
        assert deferrer.get_next_tick(at=1_800_000_000 // 86400 * 86400.0) == 6 * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


# Failures ----------------------------------------------------------------------------------------


def test_a_failing_job_is_tried_again_later_and_then_counts_as_failed(
    database_url: str, queries: Queries
) -> None:
    tried = 0

    async def stumble(_database: Database) -> None:
        """Fail every time."""
        nonlocal tried
        tried += 1
        raise ValueError("no luck")

    settings, jobs = settings_for(database_url), jobs_of(stumble, attempts=2)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "stumble")
            await eventually(lambda: queries.statuses() == ["failed"])

    asyncio.run(main())
    assert tried == 2


def test_a_job_beyond_its_time_limit_is_ended(database_url: str, queries: Queries) -> None:
    async def dawdle(database: Database) -> None:
        """Take very long."""
        await database.row("SELECT pg_sleep(30)")

    settings, jobs = settings_for(database_url), jobs_of(dawdle, attempts=1, time_limit=0.3)

    async def main() -> None:
        async with open_queue(settings, jobs) as queue, working(settings, jobs):
            await enqueue(queue, "dawdle")
            await eventually(lambda: queries.statuses() == ["failed"])

    asyncio.run(main())


# A worker of its own process, for what ends it.
SCRIPT = """
import sys
from pathlib import Path
from autogpt_db.settings import *
from autogpt_db.worker import registry, runner
from autogpt_db.worker.registry import Job, Schedule

WHENEVER = Schedule("oauth_cleanup_schedule", "* * * * *", "it is tried")

async def nap(database):
    "Note that it runs, then sleep."
    await database.execute("INSERT INTO public.naps VALUES (default)")
    await database.row("SELECT pg_sleep(%(seconds)s)", {"seconds": float(sys.argv[2])})
    await database.execute("INSERT INTO public.wakes VALUES (default)")

registry.discover = lambda: {"nap": Job("nap", nap, WHENEVER, 60.0, 4)}
sys.exit(runner.run_worker(Settings(
    state_directory=Path("/tmp"), runtime_directory=Path("/tmp"),
    database=DatabaseSettings(url=Secret(sys.argv[1]), connect_timeout=2),
    worker=WorkerSettings(oauth_cleanup_schedule="0 0 29 2 1", stop_timeout=15.0),
)))
"""


@contextlib.contextmanager
def napping(url: str, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, url, str(seconds)])
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


async def enqueue_nap(settings: Settings) -> None:
    async def nap(_database: Database) -> None:
        """Stand for the other process's job."""

    async with open_queue(settings, jobs_of(nap)) as queue:
        await enqueue(queue, "nap")


def prepare_naps(queries: Queries) -> None:
    queries.rows("CREATE TABLE public.naps (id serial)")
    queries.rows("CREATE TABLE public.wakes (id serial)")


async def started(queries: Queries, count: int) -> None:
    await eventually(lambda: queries.value("SELECT count(*) FROM public.naps") == count)


def test_a_job_whose_worker_was_killed_runs_again(database_url: str, queries: Queries) -> None:
    prepare_naps(queries)
    settings = settings_for(database_url)

    async def main() -> None:
        await enqueue_nap(settings)
        with napping(database_url, 60) as process:
            await started(queries, 1)
            process.kill()
            process.wait()
        assert queries.statuses() == ["doing"]
        assert queries.value("SELECT count(*) FROM public.wakes") == 0
        with napping(database_url, 0) as process:
            # The dead worker's last sign of life, as it would look a minute later.
            queries.rows(
                "UPDATE autogpt_db.procrastinate_workers "
                "SET last_heartbeat = now() - interval '1 minute' WHERE id = %(dead)s",
                dead=queries.value("SELECT worker_id FROM autogpt_db.procrastinate_jobs"),
            )
            await eventually(lambda: queries.statuses() == ["succeeded"])
        assert queries.value("SELECT count(*) FROM public.wakes") == 1

    asyncio.run(main())


def test_a_stranded_run_gives_way_to_a_twin_that_waits(database_url: str, queries: Queries) -> None:
    settings = settings_for(database_url)

    async def nap(_database: Database) -> None:
        """Do nothing."""

    async def main() -> None:
        async with open_queue(settings, jobs_of(nap)) as queue:
            await enqueue(queue, "nap")
            queries.rows("UPDATE autogpt_db.procrastinate_jobs SET status = 'doing'")
            await enqueue(queue, "nap")
            assert await rescue.rescue(queue) == 1
            assert queries.statuses() == ["cancelled", "todo"]
            assert await rescue.rescue(queue) == 0

    asyncio.run(main())


# Stopping ----------------------------------------------------------------------------------------


def test_sigterm_lets_the_running_job_end_and_exits_0(database_url: str, queries: Queries) -> None:
    prepare_naps(queries)

    async def main() -> None:
        await enqueue_nap(settings_for(database_url))
        with napping(database_url, 1.5) as process:
            await started(queries, 1)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0
        assert queries.statuses() == ["succeeded"]
        assert queries.rows("SELECT 1 FROM autogpt_db.procrastinate_workers") == []

    asyncio.run(main())


def test_a_second_signal_hands_the_running_job_back_at_once(
    database_url: str, queries: Queries
) -> None:
    prepare_naps(queries)

    async def main() -> None:
        await enqueue_nap(settings_for(database_url))
        with napping(database_url, 60) as process:
            await started(queries, 1)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await eventually(
                lambda: (
                    not queries.rows(
                        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' "
                        "AND datname = current_database()"
                    )
                )
            )
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0
            assert time.monotonic() - began < 40, "it was not waited for"
        assert queries.statuses() == ["todo"]
        # It costs nothing: neither an attempt nor a pause before the next one.
        assert queries.rows("SELECT attempts, scheduled_at FROM autogpt_db.procrastinate_jobs") == [
            (0, None)
        ]
        assert queries.value("SELECT outcome FROM autogpt_db.job_run") == "handed back"
        with napping(database_url, 0) as process:
            await eventually(lambda: queries.statuses() == ["succeeded"])

    asyncio.run(main())


def test_the_installed_program_refuses_a_bad_schedule_with_78(database_url: str) -> None:
    done = subprocess.run(
        [PROGRAM, "--set", "worker.oauth_cleanup_schedule=often", "worker"],
        env={"DATABASE_URL": database_url, "PATH": os.environ["PATH"], "HOME": "/tmp"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert "worker.oauth_cleanup_schedule" in done.stderr
