"""`autogpt-db jobs` and `executions`, as an operator types them, beside a running daemon."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon_process import DaemonProcess
from waiting import wait_for
from worker_scenarios import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator


STEPS = "CREATE TABLE public.steps (step integer, attempt integer)"
WAITING = """
SELECT count(*) FROM autogpt_db.procrastinate_jobs
WHERE task_name = 'watch_executions' AND status IN ('todo', 'doing')
"""
SUCCEEDED = """
SELECT count(*) FROM autogpt_db.job_run
WHERE job = 'watch_executions' AND outcome = 'succeeded'
"""


@pytest.fixture(scope="module")
def shared_daemon(database_url_for_module: str) -> Iterator[DaemonProcess]:
    """Run a daemon with the tests' jobs beside its own, none of which comes by itself."""
    with DaemonProcess(
        database_url=database_url_for_module,
        assignments=("api.processes=1", "worker.watch_schedule=never", "worker.stop_timeout=1"),
        environment={"AUTOGPT_DB_TEST_JOBS": "small_jobs"},
        modules=[Path(__file__).parents[1] / "workers"],
    ) as running:
        yield running


@pytest.fixture
def queries(database_url_for_module: str) -> Iterator[Queries]:
    found = Queries(database_url_for_module)
    yield found
    found.close()


@pytest.fixture
def daemon(shared_daemon: DaemonProcess, queries: Queries) -> DaemonProcess:
    """Return the module's daemon, without what other tests have left in its database."""
    queries.rows("DELETE FROM autogpt_db.procrastinate_jobs WHERE task_name = 'watch_executions'")
    queries.rows("DELETE FROM autogpt_db.job_run WHERE job = 'watch_executions'")
    queries.rows('DELETE FROM platform."AgentGraphExecution"')
    return shared_daemon


def answer(daemon: DaemonProcess, *words: str) -> str:
    done = daemon.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(daemon: DaemonProcess, job: str) -> dict[str, Any]:
    rows = json.loads(answer(daemon, "jobs", "list", "--json"))
    (row,) = (row for row in rows if row["job"] == job)
    found: dict[str, Any] = row
    return found


def test_a_job_is_run_paused_resumed_and_shown(daemon: DaemonProcess, queries: Queries) -> None:
    done = daemon.run("jobs", "run", "watch_executions", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded: " in done.stdout
    assert "running 0" in done.stdout
    assert listed(daemon, "watch_executions")["last_outcome"] == "succeeded"
    assert listed(daemon, "watch_executions")["schedule"] == "on demand"

    assert "is paused" in answer(daemon, "jobs", "pause", "watch_executions")
    answer(daemon, "jobs", "run", "watch_executions")
    assert "(it was already)" in answer(daemon, "jobs", "run", "watch_executions")
    row = listed(daemon, "watch_executions")
    assert (row["paused"], row["waiting"]) == (True, 1)
    assert "runs again" in answer(daemon, "jobs", "resume", "watch_executions")
    wait_for(lambda: queries.value(WAITING) == 0)
    wait_for(lambda: queries.value(SUCCEEDED) == 2)
    assert listed(daemon, "watch_executions")["waiting"] == 0
    lines = answer(daemon, "jobs", "history", "watch_executions").splitlines()
    assert lines[0].split()[:2] == ["number", "job"]
    assert len(lines) == 3
    assert "watch_executions" in answer(daemon, "jobs", "list")


def test_a_job_that_waits_for_its_next_attempt_is_run_at_once(
    daemon: DaemonProcess, queries: Queries
) -> None:
    number = queries.value(
        "INSERT INTO autogpt_db.procrastinate_jobs "
        "(queue_name, task_name, lock, queueing_lock, args, attempts, scheduled_at) VALUES "
        "('watch_executions', 'watch_executions', 'watch_executions', 'watch_executions', "
        "'{\"timestamp\": 0}', 1, now() + interval '1 hour') RETURNING id"
    )
    done = daemon.run("jobs", "run", "watch_executions", "--wait", "--timeout", "20")
    assert f"number {number} (it was already)" in done.stdout
    assert "succeeded: " in done.stdout


def test_failed_jobs_are_listed_and_queued_again(daemon: DaemonProcess, queries: Queries) -> None:
    assert answer(daemon, "jobs", "failed").startswith("number")
    number = queries.value(
        "INSERT INTO autogpt_db.procrastinate_jobs "
        "(queue_name, task_name, lock, queueing_lock, args, status, attempts) VALUES "
        "('watch_executions', 'watch_executions', 'watch_executions', 'watch_executions', "
        "'{\"timestamp\": 0}', 'failed', 3) RETURNING id"
    )
    for outcome, reason in (("retried", "an older one"), ("failed", "no luck")):
        queries.rows(
            "INSERT INTO autogpt_db.job_run "
            "(job_id, job, attempt, process, ended_at, outcome, reason) VALUES "
            "(%(id)s, 'watch_executions', 3, 'elsewhere:1', now(), %(outcome)s, %(reason)s)",
            id=number,
            outcome=outcome,
            reason=reason,
        )
    (row,) = json.loads(answer(daemon, "jobs", "failed", "--json"))
    assert (row["id"], row["attempts"], row["reason"]) == (number, 3, "no luck")
    assert "1 queued again" in answer(daemon, "jobs", "requeue", str(number))
    wait_for(lambda: queries.value(SUCCEEDED) == 1)
    assert listed(daemon, "watch_executions")["last_outcome"] == "succeeded"
    again = daemon.run("jobs", "requeue", str(number))
    assert (again.returncode, "have not failed" in again.stdout) == (1, True)
    assert "0 queued again" in answer(daemon, "jobs", "requeue", "--all")


def test_what_is_stuck_is_listed_with_what_would_be_done(
    daemon: DaemonProcess, queries: Queries
) -> None:
    looked = "Looked at what was made within 14 days"
    assert answer(daemon, "executions", "stuck") == f"Nothing is stuck.\n{looked}.\n"
    queries.rows("SET session_replication_role = replica")
    queries.rows(
        """INSERT INTO platform."AgentGraphExecution"
               ("id", "agentGraphId", "userId", "executionStatus", "createdAt")
           VALUES ('waits', 'g', 'somebody', 'QUEUED', autogpt_db.now_v1() - interval '20 days'),
                  ('older', 'g', 'somebody', 'RUNNING', autogpt_db.now_v1() - interval '40 days'),
                  ('ended', 'g', 'somebody', 'FAILED', autogpt_db.now_v1() - interval '90 days')"""
    )
    assert answer(daemon, "executions", "stuck") == (
        f"Nothing is stuck.\n{looked}; 2 that have not ended are older: --days 41 looks at them, "
        "too.\n"
    )
    both = answer(daemon, "executions", "stuck", "--days", "41")
    assert "waits" in both
    assert "older" in both
    assert both.endswith("\n\nLooked at what was made within 41 days.\n")
    shown = answer(daemon, "executions", "stuck", "--days", "30", "--dry-run")
    assert "set to FAILED" in shown
    assert "do nothing" in shown
    assert shown.endswith("1 that has not ended is older: --days 41 looks at it, too.\n")
    (row,) = json.loads(answer(daemon, "executions", "stuck", "--days", "30", "--json"))
    assert (row["id"], row["kind"], row["action"]) == ("waits", "queued", "report")


# The last one: its job goes on until the daemon stops.
def test_a_long_job_shows_how_far_it_is(daemon: DaemonProcess, queries: Queries) -> None:
    queries.rows(STEPS)
    answer(daemon, "jobs", "run", "long_job")
    wait_for(lambda: queries.value("SELECT count(*) FROM public.steps") > 10)
    row = wait_for(
        lambda: (found := listed(daemon, "long_job"))["done"] and found["remaining"] and found
    )
    assert row["total"] == 1000
    assert 0 < row["done"] < 1000
    assert row["rate"] > 0
    assert "of 1,000 (" in answer(daemon, "jobs", "list")
    # And in the service's own words, which systemd shows as its status.
    wait_for(lambda: re.search(r"long_job at \d+ %", daemon.status()["words"]))
