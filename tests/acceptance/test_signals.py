"""Signals: a stop drains, a reload rolls, a kill leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

import plain_http
from daemon_process import LEAN, NO_WORKER, DaemonProcess, processes_of
from load import Writers
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_stop_lets_running_requests_finish(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=LEAN) as daemon:
        with psycopg.connect(database_url) as blocker:
            daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
            blocker.execute('SELECT 1 FROM platform."AgentNodeExecutionKeyValueData" FOR UPDATE')
            replies: list[httpx.Response] = []
            arguments = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": 2}
            request = threading.Thread(
                target=lambda: replies.append(
                    plain_http.post(
                        f"{daemon.base}/set_execution_kv_data", json=arguments, timeout=30
                    )
                )
            )
            request.start()
            with psycopg.connect(database_url, autocommit=True) as observer:
                wait_for(
                    lambda: (
                        observer.execute(
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                            " AND datname = current_database()"
                        ).fetchall()
                        != [(0,)]
                    ),
                    what="the write to wait for its row",
                )
            daemon.signal(signal.SIGTERM)
            daemon.wait_notified("STOPPING=1")
            assert not replies
        request.join(PATIENCE)  # leaving the block released the row
        assert replies[0].status_code == 200
        assert replies[0].json() == 2
        assert daemon.exit_code() == 0
        assert processes_of(daemon.directory) == []


def test_a_reload_takes_new_settings_one_process_at_a_time_and_fails_nobody(
    database_url: str,
) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        file = daemon.directory / "autogpt-db.toml"
        before = {daemon.pid_of("api:api_00"), daemon.pid_of("api:api_01")}
        file.write_text("[api]\nbody_limit = 2048\n")
        with Writers(daemon.port, clients=8) as writers:
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: daemon.events("reloaded"), what="the reload")
        assert set(writers.history.outcomes) == {"ok"}, writers.history.first_failures
        assert not before & {daemon.pid_of("api:api_00"), daemon.pid_of("api:api_01")}
        large = {"user_id": "u", "key": "k" * 4000}
        assert daemon.client.post("/get_execution_kv_data", json=large).status_code == 413


@pytest.fixture(scope="module")
def reloaded(database_url_for_module: str) -> Iterator[DaemonProcess]:
    """Yield a daemon whose file tests change, each of them wholly."""
    with DaemonProcess(database_url=database_url_for_module, assignments=LEAN) as running:
        yield running


def test_a_bad_file_keeps_the_old_settings(reloaded: DaemonProcess) -> None:
    daemon = reloaded
    pid = daemon.pid_of("api:api_00")
    (daemon.directory / "autogpt-db.toml").write_text("[api]\nprot = 1\n")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "did you mean api.port?" in daemon.log(), what="the refusal")
    assert daemon.pid_of("api:api_00") == pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="the respawn")
    assert daemon.call("health_check") == "OK"


def test_a_reload_says_what_only_a_restart_changes_until_that_is_taken_back(
    reloaded: DaemonProcess,
) -> None:
    daemon = reloaded
    file = daemon.directory / "autogpt-db.toml"
    file.write_text('[api]\nhost = "127.0.0.2"\nbody_limit = 2048\n')
    for _ in range(2):  # and not only at the reload that found it
        done = daemon.run("ctl", "reload", "--wait")
        assert done.returncode == 78
        assert "api.host: changed, and a reload cannot change it" in done.stderr
        assert "api.host changed, which needs a restart" in daemon.status()["words"]
    large = {"user_id": "u", "key": "k" * 4000}
    assert daemon.client.post("/get_execution_kv_data", json=large).status_code == 413
    file.write_text("")
    assert daemon.run("ctl", "reload", "--wait").returncode == 0
    assert "needs a restart" not in daemon.status()["words"]


def test_kill_9_of_main_leaves_no_orphan_and_the_next_start_serves(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=["api.processes=1"]) as daemon:
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=[1])
        daemon.kill()
        wait_for(lambda: not processes_of(daemon.directory), what="every child to be gone")
        started = time.monotonic()
        daemon.start()
        print(f"\nserving again {time.monotonic() - started:.2f} s after kill -9 of main")
        assert daemon.call("get_execution_kv_data", user_id="u", key="k") == [1]


def test_a_frozen_child_is_replaced(database_url: str) -> None:
    assignments = [*LEAN, "supervision.heartbeat_timeout=4"]
    with DaemonProcess(database_url=database_url, assignments=assignments) as daemon:
        pid = daemon.pid_of("api:api_00")
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="its replacement")
        print(f"\nreplaced {time.monotonic() - started:.2f} s after SIGSTOP")
        assert daemon.call("health_check") == "OK"
