"""Two daemons on one database: one is killed, one is frozen and wakes; every job is done once.

A small form runs with the other tests. `make test-workers` runs the full one: 10,000 jobs, and 60
seconds of frost, and the default time for jobs to finish at a stop.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon_process import DaemonProcess
from waiting import wait_for
from worker_scenarios import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = int(os.environ.get("AUTOGPT_DB_TEST_SMALL_JOBS", "600"))
FROZEN = float(os.environ.get("AUTOGPT_DB_TEST_FROZEN_SECONDS", "25"))
RESUMED = 35.0
STOP_TIMEOUT = float(os.environ.get("AUTOGPT_DB_TEST_STOP_TIMEOUT", "3"))

ENQUEUE = """
INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)
SELECT 'small_job', 'small_job', 'small_job:' || n, 'small_job:' || n,
       '{"timestamp": 0}'
  FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
ENQUEUE_LONG = """
INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)
VALUES ('long_job', 'long_job', 'long_job', 'long_job', '{"timestamp": 0}')
"""
LONG_RUNS = """
SELECT outcome, attempt, process FROM autogpt_db.job_run WHERE job = 'long_job' ORDER BY token
"""
DONE = "SELECT count(DISTINCT job_id) FROM public.written"
# Between a job's first start that was taken away and the next start.
PAUSES = """
SELECT max(EXTRACT(epoch FROM again.started_at - %(since)s::timestamptz))::float8
  FROM autogpt_db.job_run AS gone
  JOIN LATERAL (
       SELECT started_at
         FROM autogpt_db.job_run AS later
        WHERE later.job_id = gone.job_id
          AND later.token > gone.token
        ORDER BY later.token
        LIMIT 1
  ) AS again ON true
 WHERE gone.outcome = 'taken away'
   AND gone.ended_at BETWEEN %(since)s::timestamptz AND %(until)s::timestamptz
"""
ASSIGNMENTS = (
    "api.processes=1",
    "supervision.heartbeat_timeout=4",
    "worker.concurrency=4",
    "worker.pool_size=6",
    f"worker.stop_timeout={STOP_TIMEOUT:g}",
    "worker.oauth_cleanup_schedule=* * * * * */2",
)


@pytest.fixture
def queries(database_url: str) -> Iterator[Queries]:
    found = Queries(database_url)
    found.rows("CREATE TABLE public.written (job_id bigint, process integer, at timestamptz)")
    found.rows("CREATE TABLE public.steps (step integer, attempt integer)")
    yield found
    found.close()


def daemon(url: str) -> DaemonProcess:
    return DaemonProcess(
        database_url=url,
        assignments=ASSIGNMENTS,
        environment={
            "AUTOGPT_DB_TEST_JOBS": "small_jobs",
        },
        modules=[Path(__file__).parent],
    )


def tree_of(running: DaemonProcess) -> list[int]:
    """Return the pids of the daemon and of its children."""
    assert running.process is not None
    main = running.process.pid
    children = Path(f"/proc/{main}/task/{main}/children")
    return [main, *map(int, children.read_text().split())]


def signal_tree(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


@pytest.mark.timeout(1500)
def test_one_killed_one_frozen_every_job_done_and_none_twice(
    database_url: str, queries: Queries
) -> None:
    half = JOBS // 2
    with daemon(database_url) as first, daemon(database_url) as second:
        queries.rows(ENQUEUE, first=1, last=half)
        began = time.monotonic()
        wait_for(lambda: queries.value(DONE) > half // 4, seconds=400, what="the first quarter")
        # All of the first at once, as when its host goes down.
        killed_at = queries.value("SELECT clock_timestamp()")
        signal_tree(tree_of(first), signal.SIGKILL)
        wait_for(
            lambda: queries.value(DONE) == half and not doing(queries),
            seconds=900,
            what="the killed daemon's share",
        )
        after_kill = pause(queries, killed_at)
        assert first.process is not None
        first.process.wait()
        first.start()
        queries.rows(ENQUEUE, first=half + 1, last=JOBS)
        wait_for(lambda: queries.value(DONE) > half + half // 4, seconds=400, what="more")
        frozen = tree_of(second)
        frozen_at = queries.value("SELECT clock_timestamp()")
        signal_tree(frozen, signal.SIGSTOP)
        thaw_at = time.monotonic() + FROZEN
        wait_for(lambda: time.monotonic() >= thaw_at, seconds=FROZEN + 5)
        # Main comes last: it replaces a process that has been silent.
        signal_tree(frozen[::-1], signal.SIGCONT)
        wait_for(
            lambda: queries.value(DONE) == JOBS and not doing(queries),
            seconds=900,
            what="every job done",
        )
        seconds = time.monotonic() - began
        after_frost = pause(queries, frozen_at)
    rows = queries.value("SELECT count(*) FROM public.written")
    taken = queries.value("SELECT count(*) FROM autogpt_db.job_run WHERE outcome = 'taken away'")
    ticks, most = queries.rows(
        """SELECT count(*), max(times) FROM (
               SELECT count(*) AS times FROM autogpt_db.procrastinate_jobs
                WHERE task_name = 'clean_oauth_tokens' AND args->>'timestamp' <> '0'
                GROUP BY args->>'timestamp') AS tick"""
    )[0]
    statuses = dict(
        queries.rows(
            "SELECT status::text, count(*) FROM autogpt_db.procrastinate_jobs "
            "WHERE task_name = 'small_job' GROUP BY status"
        )
    )
    print(
        f"{JOBS} jobs in {seconds:.0f} s: {queries.value(DONE)} done, {rows - JOBS} twice, "
        f"{taken} taken away; resumed {after_kill:.1f} s after the kill and {after_frost:.1f} s "
        f"after the frost of {FROZEN:g} s; {ticks} periodic runs, at most {most} for one tick"
    )
    assert (queries.value(DONE), rows, statuses) == (JOBS, JOBS, {"succeeded": JOBS})
    assert max(after_kill, after_frost) <= RESUMED
    assert ticks > 0
    assert most == 1


def doing(queries: Queries) -> bool:
    return bool(
        queries.rows(
            "SELECT 1 FROM autogpt_db.procrastinate_jobs "
            "WHERE task_name = 'small_job' AND status IN ('todo', 'doing')"
        )
    )


def pause(queries: Queries, since: object) -> float:
    """Return the longest time from `since` until a job of a dead worker was started again."""
    until = queries.value("SELECT clock_timestamp()")
    found: float | None = queries.value(PAUSES, since=since, until=until)
    return found or 0.0


def test_a_stop_in_the_middle_of_a_job_costs_it_nothing(
    database_url: str, queries: Queries
) -> None:
    with daemon(database_url) as first:
        queries.rows(ENQUEUE_LONG)
        wait_for(lambda: queries.rows("SELECT 1 FROM public.steps"))
        began = time.monotonic()
        assert first.stop() == 0
        stopped = time.monotonic() - began
    assert queries.rows(
        "SELECT status::text, attempts FROM autogpt_db.procrastinate_jobs "
        "WHERE queue_name = 'long_job'"
    ) == [("todo", 0)]
    steps = queries.value("SELECT count(*) FROM public.steps")
    print(f"stopped in {stopped:.1f} s after {steps} steps; the attempt was not counted")
    assert stopped <= STOP_TIMEOUT + 15
    with daemon(database_url):
        wait_for(lambda: queries.value("SELECT count(*) FROM public.steps") > steps)
    assert queries.rows("SELECT DISTINCT attempt FROM public.steps") == [(1,)]


def test_a_stop_in_the_middle_of_a_job_lets_another_daemon_go_on_when_it_is_over(
    database_url: str, queries: Queries
) -> None:
    with daemon(database_url) as first, daemon(database_url) as second:
        queries.rows(ENQUEUE_LONG)
        wait_for(lambda: queries.rows("SELECT 1 FROM public.steps"))
        host_and_pid: str = queries.rows(LONG_RUNS)[0][2]
        pid = int(host_and_pid.rpartition(":")[2])
        running = next(one for one in (first, second) if pid in tree_of(one))
        began = time.monotonic()
        assert running.stop() == 0
        stopped = time.monotonic() - began
        wait_for(lambda: len(queries.rows(LONG_RUNS)) == 2)
        resumed = time.monotonic() - began
    runs = [(outcome, attempt) for outcome, attempt, _ in queries.rows(LONG_RUNS)]
    print(
        f"stopped in {stopped:.1f} s, resumed on the other daemon {resumed:.1f} s after its start"
    )
    # Not taken away while it was given time to finish, as by a worker that seemed dead.
    assert runs == [("handed back", 1), ("handed back", 1)]
