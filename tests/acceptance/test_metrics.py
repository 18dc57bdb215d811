"""/metrics of the whole service under load, while its processes are killed."""

from __future__ import annotations

import os
import re
import signal
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

import plain_http
from autogpt_db.metrics import families
from daemon_process import NO_WORKER, DaemonProcess
from load import Writers
from metrics_reading import Samples, parse, total, value
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITE = {"method": "set_execution_kv_data", "status": "200"}
KILLS = 5
APIS = ("api:api_00", "api:api_01", "api:api_02")
# What a single host with a healthy server of its own has nothing to say about.
# Without a standby, a fault of the database's or a call that was passed on, before the jobs have
# measured anything.
CONDITIONAL = {
    "autogpt_db_database_replication_lag_seconds",
    "autogpt_db_calls_passed_on_total",
    "autogpt_db_database_faults_total",
    # Live events are off here.
    "autogpt_db_live_event_writes_total",
    # Of the admin listener, which is off as well.
    "autogpt_db_live_event_readers",
    "autogpt_db_live_event_readers_dropped_total",
    "autogpt_db_live_events_read_total",
    # Of traces, which are off here.
    "autogpt_db_trace_spans_total",
    *(family.name for family in families.MEASURED.values() if family is not families.STUCK),
}


def scrape(daemon: DaemonProcess) -> tuple[Samples, float]:
    """Return what any process answers on a new connection, and the seconds that took."""
    began = time.monotonic()
    with plain_http.client(base_url=daemon.base, timeout=10) as client:
        client.get("/live")  # TLS contexts and connecting are not the scrape's
        began = time.monotonic()
        reply = client.get("/metrics")
        seconds = time.monotonic() - began
    assert reply.status_code == 200
    return parse(reply.text), seconds


def counters(samples: Samples) -> Iterator[tuple[tuple[str, object], float]]:
    for key, found in samples.items():
        name = re.sub(r"_(bucket|count|sum)$", "", key[0])
        family = families.FAMILIES.get(key[0]) or families.FAMILIES.get(name)
        assert family is not None, f"{key[0]} is declared nowhere"
        # A process's own processor time begins anew with it, as everywhere in Prometheus.
        if family.kind != "gauge" and family is not families.PROCESS_CPU:
            yield key, found


def files(daemon: DaemonProcess) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (daemon.runtime / "metrics").iterdir()}


def test_under_load_and_kills_counters_never_fall_and_their_sum_is_what_was_called(
    database_url: str,
) -> None:
    with DaemonProcess(database_url=database_url, assignments=["api.processes=3"]) as daemon:
        before_files = files(daemon)
        assert sorted(before_files) == ["api_00", "api_01", "api_02", "main", "worker_00"]
        seconds: list[float] = []
        last: dict[tuple[str, object], float] = {}

        def look() -> Samples:
            samples, took = scrape(daemon)
            seconds.append(took)
            now = dict(counters(samples))
            fallen = {key: (was, now.get(key)) for key, was in last.items()
                      if now.get(key, -1.0) < was}  # fmt: skip
            assert not fallen
            last.update(now)
            return samples

        with Writers(daemon.port, clients=16) as writers:
            for number in range(KILLS):
                target = APIS[number % 2]
                goal = writers.ok + 200
                wait_for(lambda goal=goal: writers.ok >= goal, what="200 writes")
                for _ in range(5):
                    look()
                pid = daemon.pid_of(target)
                os.kill(pid, signal.SIGKILL)
                for _ in range(5):
                    look()
                wait_for(lambda pid=pid, target=target: daemon.pid_of(target) not in {0, pid},
                         what="its successor")  # fmt: skip
            goal = writers.ok + 200
            wait_for(lambda: writers.ok >= goal, what="200 writes more")
            look()
        history = writers.history
        samples = look()
        counted = value(samples, families.REQUESTS, **WRITE)
        made = history.outcomes["ok"]
        broken = history.outcomes["failed"]
        # One that is killed between a reply and its counting, or between counting and sending.
        assert made - KILLS <= counted <= made + broken
        buckets = value(samples, families.REQUEST_SECONDS, "_count", method=WRITE["method"])
        assert buckets == sum(
            found for (name, labels), found in samples.items()
            if name == families.REQUESTS.name and dict(labels)["method"] == WRITE["method"]
        )  # fmt: skip
        assert value(samples, families.PROCESS_RESTARTS, process="api_00") == 3
        assert value(samples, families.PROCESS_RESTARTS, process="api_01") == 2
        assert value(samples, families.PROCESS_RESTARTS, process="api_02") == 0
        exits = value(
            samples, families.PROCESS_EXITS, process="api_00", how="terminated by SIGKILL"
        )
        assert exits == 3
        assert files(daemon) == before_files
        print(
            f"{made} writes acknowledged, {broken} broken by {KILLS} kills, {counted:.0f} counted; "
            f"{len(seconds)} scrapes of {len(samples)} samples under load: median "
            f"{statistics.median(seconds) * 1000:.1f} ms, slowest {max(seconds) * 1000:.1f} ms"
        )


def test_without_kills_every_call_is_counted_exactly(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        with Writers(daemon.port, clients=8) as writers:
            wait_for(lambda: writers.ok >= 1000, seconds=90, what="1,000 writes")
        samples, _ = scrape(daemon)
        assert value(samples, families.REQUESTS, **WRITE) == writers.ok
        wait_for(
            lambda: value(scrape(daemon)[0], families.BATCH_SIZE, "_sum") == writers.ok,
            what="the batches",
        )


def test_a_service_shows_all_that_the_page_lists(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO autogpt_db.procrastinate_jobs (queue_name, task_name, status)"
            " VALUES ('q', 'a_job', 'todo')"
        )
        connection.execute("INSERT INTO autogpt_db.job_pause (job) VALUES ('a_job')")
        connection.execute(
            "INSERT INTO autogpt_db.job_run (job_id, job, attempt, process, done, total)"
            " VALUES (-1, 'a_job', 1, 'p', 3, 4)"
        )
        connection.execute(
            "INSERT INTO autogpt_db.job_figure (job, name, labels, value)"
            """ VALUES ('a_job', 'stuck_executions', '{"kind": "queued"}', 3)"""
        )
    with DaemonProcess(database_url=database_url) as daemon:
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        refused = daemon.client.post("/get_user_by_id", json={"user_id": "u", "of_tomorrow": 1})
        assert refused.status_code == 422
        os.kill(daemon.pid_of("api:api_00"), signal.SIGKILL)
        wait_for(lambda: total(scrape(daemon)[0], families.PROCESS_UP) == 3, what="all to be up")
        listed = set(
            re.findall(
                r"^\| `(autogpt_db_\w+)` \|",
                (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text("utf-8"),
                re.MULTILINE,
            )
        )
        wait_for(lambda: total(scrape(daemon)[0], families.JOB_RUNS), what="a job's run")

        left = listed - CONDITIONAL

        def all_are_shown() -> bool:
            # Each process asks PostgreSQL for itself, and any of them may answer.
            shown = {name for name, _ in scrape(daemon)[0]}
            named = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
            left.clear()
            left.update(listed - shown - named - CONDITIONAL, named - listed)
            return not left

        with suppress(AssertionError):
            wait_for(all_are_shown)
        assert left <= listed, "declare them"
        assert left == set(), "give them a value at the start, or name them in CONDITIONAL"


def test_a_restarted_service_begins_anew_and_a_reload_does_not(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        for _ in range(5):
            daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        (daemon.directory / "autogpt-db.toml").write_text("[api]\nprocesses = 1\n")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.events("reloaded"), what="the reload")
        samples, _ = scrape(daemon)
        assert value(samples, families.REQUESTS, **WRITE) == 5
        assert total(samples, families.PROCESS_UP) == 1
        assert total(samples, families.PROCESS_UP, process="api_01") == 0
        assert value(samples, families.PROCESS_EXITS, process="api_01", how="stopped") == 1
        assert not [
            labels for name, labels in samples
            if name == families.PROCESS_MEMORY.name and dict(labels)["process"] == "api_01"
        ]  # fmt: skip
        assert daemon.stop() == 0
        daemon.start()
        assert total(scrape(daemon)[0], families.REQUESTS, method=WRITE["method"]) == 0
