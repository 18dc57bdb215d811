"""The embedded default: one command, its own PostgreSQL, kept alive like any other child."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from daemon_process import LEAN, NO_WORKER, DaemonProcess, processes_of
from waiting import BUSY, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    """Run one daemon for the tests that only look."""
    with DaemonProcess(started_before=True, assignments=["api.processes=1"]) as running:
        yield running


def test_first_start_reuse_and_recovery_after_kill_9_of_everything() -> None:
    with DaemonProcess(assignments=["api.processes=1"]) as daemon:
        first = daemon.ready_seconds
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="a", data=1)
        assert daemon.stop() == 0
        assert processes_of(daemon.directory) == []

        daemon.start()
        warm = daemon.ready_seconds
        assert daemon.call("get_execution_kv_data", user_id="u", key="a") == 1
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="b", data=2)
        for line in processes_of(daemon.directory):
            os.kill(int(line.split()[0]), signal.SIGKILL)
        daemon.exit_code()
        wait_for(lambda: not processes_of(daemon.directory), what="everything to be dead")

        daemon.start()
        assert daemon.call("get_execution_kv_data", user_id="u", key="b") == 2
        print(f"\nREADY: first {first:.2f} s, warm {warm:.2f} s, after kill -9 of everything "
              f"{daemon.ready_seconds:.2f} s")  # fmt: skip
        assert daemon.stop() == 0


def test_a_killed_postmaster_is_back_within_five_seconds() -> None:
    with DaemonProcess(started_before=True, assignments=NO_WORKER) as daemon:
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="a", data=1)
        pid = daemon.pid_of("postgresql")
        os.kill(pid, signal.SIGKILL)
        started = time.monotonic()

        def answers() -> bool:
            reply = daemon.client.post("/get_execution_kv_data", json={"user_id": "u", "key": "a"})
            return reply.status_code == 200 and reply.json() == 1

        wait_for(lambda: daemon.pid_of("postgresql") not in {0, pid}, what="a new postmaster")
        wait_for(answers, what="the data")
        seconds = time.monotonic() - started
        print(f"\nserving again {seconds:.2f} s after kill -9 of the postmaster")
        assert seconds <= 5 * BUSY
        assert daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="a", data=3)


def test_it_is_durable_and_never_on_the_network_and_dsn_leads_to_it(daemon: DaemonProcess) -> None:
    dsn = daemon.run("dsn", "--reveal").stdout.strip()
    with psycopg.connect(dsn) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchall()[0][0]
            for name in ("fsync", "full_page_writes", "synchronous_commit", "listen_addresses")
        }
    assert shown == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
    }


def test_the_tree_is_seen_by_supervisorctl_and_by_status(daemon: DaemonProcess) -> None:
    lines = daemon.supervisorctl("status").stdout
    for name in ("api:api_00", "worker:worker_00", "postgresql"):
        assert any(name in line and "RUNNING" in line for line in lines.splitlines()), lines
    assert daemon.supervisorctl("tail", "api:api_00").returncode == 0
    text = daemon.run("status").stdout
    assert "api_00" in text
    assert "pool" in text
    tree = json.loads(daemon.run("status", "--json").stdout)
    assert {process["name"] for process in tree["processes"]} == {
        "api_00",
        "worker_00",
        "postgresql",
    }


def test_postgresql_s_own_log_is_passed_on_and_its_file_bounded_while_it_runs() -> None:
    with DaemonProcess(started_before=True, assignments=LEAN) as daemon:

        def lines() -> list[str]:
            return [e["line"] for e in daemon.events("output") if e["process"] == "postgresql"]

        wait_for(lambda: any("ready to accept connections" in line for line in lines()), what="it")
        dsn = daemon.run("dsn", "--reveal").stdout.strip()
        file = daemon.state / "postgresql" / "postgresql.log"
        with psycopg.connect(dsn, autocommit=True) as connection:

            def write(word: str, size: int) -> None:
                connection.execute(f"DO $$BEGIN RAISE LOG '{word} %', repeat('x', {size}); END$$")

            write("the-first", 10)
            wait_for(lambda: any("the-first" in line for line in lines()), what="the line")
            for _ in range(12):
                write("filling", 1024 * 1024)
            wait_for(lambda: file.stat().st_size < 1024 * 1024, what="the file to be emptied")
            write("the-last", 10)
            wait_for(lambda: any("the-last" in line for line in lines()), what="the line after")
        assert daemon.stop() == 0
        assert any("database system is shut down" in line for line in lines())
