"""What the tree does where stock Supervisor would lose requests, hang, or fall silent."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

import plain_http
from daemon_process import LEAN, NO_WORKER, DaemonProcess, processes_of
from load import Writers
from waiting import BUSY, PATIENCE, wait_for

TESTS = Path(__file__).parents[1]
APIS = ("api:api_00", "api:api_01")


@contextmanager
def breakable(
    database_url: str, how: str = "", **arguments: Any
) -> Iterator[tuple[DaemonProcess, Path]]:
    """Run a daemon whose API processes break as the yielded file says."""
    daemon = DaemonProcess(database_url=database_url, modules=[TESTS], **arguments)
    switch = daemon.directory / "break"
    switch.write_text(how)
    daemon.environment |= {
        "AUTOGPT_DB_TEST_OPERATIONS": "failing_operations",
        "AUTOGPT_DB_TEST_BREAK": str(switch),
    }
    try:
        yield daemon, switch
    finally:
        daemon.__exit__()


def state_of(daemon: DaemonProcess, name: str) -> str:
    state: str = daemon.information(name)["statename"]
    return state


def test_with_every_child_dead_nobody_is_refused(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        pids = [daemon.pid_of(name) for name in APIS]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # both are alive, and accept nothing
        replies: list[httpx.Response] = []
        waiting = [
            threading.Thread(
                target=lambda: replies.append(
                    plain_http.get(f"{daemon.base}/health_check", timeout=30)
                )
            )
            for _ in range(8)
        ]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for request in waiting:
            request.start()  # no child is there to accept: they wait in the socket's backlog
        for request in waiting:
            request.join(PATIENCE)
        assert [reply.status_code for reply in replies] == [200] * 8


def test_running_means_ready_and_a_restart_waits_for_it(database_url: str) -> None:
    with breakable(database_url, assignments=LEAN) as (daemon, switch):
        daemon.start()
        switch.write_text("slow")
        with subprocess.Popen(
            [daemon.supervisorctl_program, "-c", str(daemon.runtime / "supervisord.conf"),
             "restart", "api:api_00"], stdout=subprocess.DEVNULL,
        ) as restart:  # fmt: skip
            wait_for(lambda: state_of(daemon, "api:api_00") == "STARTING", what="the start")
            assert restart.poll() is None
            assert restart.wait(PATIENCE) == 0
        assert state_of(daemon, "api:api_00") == "RUNNING"
        ready = [e for e in daemon.events("process_ready") if e["child"] == "api_00"]
        assert ready[-1]["seconds"] > 2


def test_a_child_that_keeps_failing_is_started_for_ever_with_pauses_and_named(
    database_url: str,
) -> None:
    assignments = [*LEAN, "supervision.backoff_max=1"]
    with breakable(database_url, "import", assignments=assignments) as (daemon, switch):
        daemon.launch()

        def failures() -> list[dict[str, Any]]:
            return [e for e in daemon.events("process_exited") if e["child"] == "api_00"]

        # Stock Supervisor gives up after the third, and is silent from then on.
        wait_for(lambda: len(failures()) >= 6, seconds=3 * PATIENCE, what="six failures")
        pauses = [failure["again_in_seconds"] for failure in failures()]
        assert pauses[0] == 0
        assert all(0.3 < pause <= 1 for pause in pauses[1:])
        assert not any("READY=1" in message for message in daemon.read_notifications())
        assert any("api_00 failed (exit status 70)" in words for words in daemon.notified)
        assert {p["state"] for p in daemon.status()["processes"]} <= {"BACKOFF", "STARTING"}
        switch.write_text("")
        daemon.wait_notified("READY=1")
        assert daemon.call("health_check") == "OK"


def test_a_child_whose_loop_hangs_is_replaced(database_url: str) -> None:
    assignments = [*LEAN, "supervision.heartbeat_timeout=2"]
    with breakable(database_url, assignments=assignments) as (daemon, _):
        daemon.start()
        pid = daemon.pid_of("api:api_00")
        with suppress(httpx.RemoteProtocolError):  # its process is killed under it
            daemon.client.post("/block_the_loop", json={"seconds": 60})
        wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="its replacement")
        assert daemon.call("health_check") == "OK"
        (event,) = daemon.events("process_replaced")
        assert "no heartbeat for" in event["reason"]
        (process,) = [p for p in daemon.status()["processes"] if p["name"] == "api_00"]
        assert process["restarts"] == 1
        assert "no heartbeat" in process["last_exit"]


def test_one_that_never_gets_ready_is_replaced(database_url: str) -> None:
    # A start that takes one second takes ten of them on a busy machine, and must get ready then.
    assignments = [*LEAN, "supervision.ready_timeout=10"]
    with breakable(database_url, "stuck", assignments=assignments) as (daemon, switch):
        daemon.launch()
        wait_for(lambda: daemon.events("process_replaced"), what="the replacement")
        assert daemon.events("process_replaced")[0]["reason"] == "not ready within 10 s"
        switch.write_text("")
        daemon.wait_notified("READY=1")


def test_systemd_s_watchdog_starves_when_main_hears_no_child_any_more(database_url: str) -> None:
    daemon = DaemonProcess(
        database_url=database_url,
        assignments=[
            "supervision.heartbeat_timeout=2",
            "supervision.ready_timeout=12",
            "api.processes=1",
            "worker.processes=0",
        ],
        environment={"WATCHDOG_USEC": "300000"},
    )
    with daemon:
        daemon.wait_notified("WATCHDOG=1")
        (daemon.runtime / "heartbeat.sock").unlink()
        daemon.wait_notified("no process reports any more")
        assert daemon.events("children_unheard")
        replaced = len(daemon.events("process_replaced"))

        def is_replaced_again() -> bool:
            daemon.read_notifications()  # or main's words would not fit into the socket any more
            return len(daemon.events("process_replaced")) > replaced

        wait_for(is_replaced_again, what="a replacement")
        told = daemon.read_notifications()
        (first,) = [place for place, words in enumerate(told) if "no process reports" in words][:1]
        assert "WATCHDOG=1" in told[:first]
        assert "WATCHDOG=1" not in told[first:]


def test_a_second_signal_hastens_the_stop(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=LEAN) as daemon:
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        with psycopg.connect(database_url) as blocker:
            blocker.execute('SELECT 1 FROM platform."AgentNodeExecutionKeyValueData" FOR UPDATE')
            outcome: list[object] = []

            def write() -> None:
                try:
                    outcome.append(
                        plain_http.post(
                            f"{daemon.base}/set_execution_kv_data",
                            json={"user_id": "u", "node_exec_id": "n", "key": "k", "data": 2},
                            timeout=60,
                        ).status_code
                    )
                except httpx.HTTPError as error:
                    outcome.append(error)

            request = threading.Thread(target=write)
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
            wait_for(lambda: daemon.events("stopping"), what="the drain to begin")
            assert daemon.runs()
            daemon.signal(signal.SIGTERM)
            assert daemon.exit_code(seconds=PATIENCE) == 0  # the row is locked still
            request.join(PATIENCE)
        assert outcome, "the waiting client was told"
        assert daemon.events("stop_hastened")


def test_a_reader_of_the_log_that_leaves_takes_nobody_along(database_url: str) -> None:
    daemon = DaemonProcess(database_url=database_url, assignments=LEAN)
    read_end, write_end = os.pipe()
    try:
        daemon.launch(stderr=write_end)
        os.close(write_end)
        daemon.wait_notified("READY=1")
        os.close(read_end)
        pid = daemon.pid_of("api:api_00")
        os.kill(pid, signal.SIGKILL)  # which main and the new child have much to say about
        wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="its successor")
        assert daemon.call("health_check") == "OK"
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()


def test_postgresql_stops_last_and_nothing_is_left() -> None:
    with DaemonProcess(started_before=True, assignments=["api.processes=1"]) as daemon:
        assert daemon.stop() == 0
        stopped = [event["child"] for event in daemon.events("process_stopped")]
        assert sorted(stopped) == ["api_00", "postgresql", "worker_00"]
        assert stopped[-1] == "postgresql"
        assert processes_of(daemon.directory) == []
        assert not list(daemon.runtime.glob("*.sock"))


def test_supervisorctl_reload_rolls_instead_of_stopping_everything(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        before = {daemon.pid_of(name) for name in APIS}
        done = subprocess.run(
            [daemon.supervisorctl_program, "-c", str(daemon.runtime / "supervisord.conf"),
             "reload"], input="y\n", text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        wait_for(lambda: daemon.events("reloaded"), what="the reload")
        assert not before & {daemon.pid_of(name) for name in APIS}
        assert daemon.runs()


def test_supervisorctl_restart_keeps_the_socket_answered(database_url: str) -> None:
    """Though one process drains for long: its sibling serves, and is restarted afterwards."""
    with DaemonProcess(database_url=database_url) as daemon:
        before = [daemon.pid_of(name) for name in APIS]
        worker = daemon.pid_of("worker:worker_00")
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        held: list[object] = []

        def write() -> None:
            held.append(daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n",
                                    key="k", data=2))  # fmt: skip

        with Writers(daemon.port, clients=8) as writers, psycopg.connect(database_url) as blocker:
            blocker.execute('SELECT 1 FROM platform."AgentNodeExecutionKeyValueData" FOR UPDATE')
            slow = threading.Thread(target=write)
            slow.start()
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
            command = subprocess.Popen(
                [
                    daemon.supervisorctl_program,
                    "-c",
                    daemon.runtime / "supervisord.conf",
                    "restart",
                    "api:*",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            wait_for(lambda: daemon.events("draining"), what="the first drain")
            for _ in range(3):
                seen = writers.ok
                wait_for(
                    lambda seen=seen: writers.ok > seen + 20, seconds=5 * BUSY, what="more replies"
                )
            assert command.poll() is None, "one of them waits for the row still"
            blocker.rollback()
            output, _ = command.communicate(timeout=60)
            slow.join(PATIENCE)
            seen = writers.ok
            wait_for(lambda: writers.ok > seen + 20, what="replies of the new processes")
        assert held == [2]
        assert command.returncode == 0
        assert output.splitlines() == [
            "api:api_00: stopped", "api:api_01: stopped",
            "api:api_00: started", "api:api_01: started",
        ]  # fmt: skip
        after = [daemon.pid_of(name) for name in APIS]
        assert not {0, *before} & set(after)
        assert daemon.pid_of("worker:worker_00") == worker
        assert set(writers.history.outcomes) == {"ok"}, str(writers.history)

        # By name, and all: what isn't ours to serve with is restarted as ever.
        assert daemon.supervisorctl("restart", *APIS).returncode == 0
        with Writers(daemon.port, clients=4) as writers:
            assert daemon.supervisorctl("restart", "all").returncode == 0
            wait_for(lambda: writers.ok > 20, what="replies")
        assert set(writers.history.outcomes) == {"ok"}, str(writers.history)
        assert daemon.pid_of("worker:worker_00") not in {0, worker}
        assert not {0, *after} & {daemon.pid_of(name) for name in APIS}


def test_a_stop_stops_and_a_restart_that_is_broken_off_does_too(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        done = daemon.supervisorctl("stop", "api:*")
        assert sorted(done.stdout.splitlines()) == ["api:api_00: stopped", "api:api_01: stopped"]
        assert [daemon.pid_of(name) for name in APIS] == [0, 0]
        assert daemon.supervisorctl("start", "api:*").returncode == 0
        with daemon._control() as control:
            for _ in range(2):  # as `supervisorctl restart` begins; then it is interrupted
                control.supervisor.getVersion()
            results: Any = control.supervisor.stopProcessGroup("api")
            assert [result["name"] for result in results] == ["api_00", "api_01"]
        assert 0 not in [daemon.pid_of(name) for name in APIS]
        wait_for(
            lambda: [daemon.pid_of(name) for name in APIS] == [0, 0], seconds=20, what="the stop"
        )
        assert daemon.supervisorctl("start", "api:*").returncode == 0
        with daemon._control() as control:
            for _ in range(2):
                control.supervisor.getVersion()
            control.supervisor.stopProcessGroup("api")
        assert daemon.stop() == 0, "what is held is stopped with the others"


def test_a_reload_changes_the_number_of_processes(database_url: str) -> None:
    daemon = DaemonProcess(database_url=database_url, assignments=NO_WORKER)
    file = daemon.directory / "autogpt-db.toml"
    file.write_text("[api]\nprocesses = 1\n")
    with daemon:
        for count, round_ in ((2, 1), (1, 2)):
            file.write_text(f"[api]\nprocesses = {count}\n")
            daemon.signal(signal.SIGHUP)
            wait_for(
                lambda round_=round_: len(daemon.events("reloaded")) == round_,
                seconds=40,
                what="the reload",
            )
            names = [p["name"] for p in daemon.status()["processes"] if p["group"] == "api"]
            assert names == [f"api_{number:02}" for number in range(count)]
            # What is new has the new settings: it is started once, those that were there anew.
            started = [each["child"] for each in daemon.events("process_started")]
            assert started.count("api_01") == 1
            assert started.count("api_00") == 1 + round_
            assert daemon.call("health_check") == "OK"


@pytest.fixture(scope="module")
def at_a_terminal(database_url_for_module: str) -> Iterator[DaemonProcess]:
    """Yield a daemon that logs for people."""
    assignments = [*LEAN, "logging.format=console"]
    with DaemonProcess(database_url=database_url_for_module, assignments=assignments) as running:
        yield running


def test_tail_shows_a_child_s_log_as_text_whatever_main_writes(
    at_a_terminal: DaemonProcess,
) -> None:
    daemon = at_a_terminal
    daemon.call("health_check")
    done = daemon.supervisorctl("tail", "api:api_00")
    assert done.returncode == 0
    assert "listening" in done.stdout, done.stdout
    assert "\x1b" not in done.stdout
    assert "\x1b" in daemon.log()


def test_it_serves_without_docstrings_and_assertions(database_url: str) -> None:
    # What the first process compiles for that is there for the others, as in an installation.
    environment = {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": ""}
    with DaemonProcess(
        database_url=database_url, assignments=["api.processes=1"], environment=environment
    ) as daemon:
        assert daemon.call("health_check") == "OK"
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        assert daemon.call("get_execution_kv_data", user_id="u", key="k") == 1
        assert daemon.client.get("/openapi.json").status_code == 200
        states = {process["name"]: process["state"] for process in daemon.status()["processes"]}
        assert states == dict.fromkeys(("api_00", "worker_00"), "RUNNING")
        assert daemon.supervisorctl("restart", "api:*").returncode == 0
        assert daemon.stop() == 0


CONTROLS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"


def test_nothing_that_a_client_sends_moves_a_cursor(at_a_terminal: DaemonProcess) -> None:
    daemon = at_a_terminal
    hostile = "%1b[31m%1b]0;owned%07%0d%9b2J%c2%9b1A%e2%80%aeevil"
    for road in ("GET", "POST"):
        with socket.create_connection(("127.0.0.1", daemon.port), 20) as client:
            client.sendall(
                f"{road} /{hostile} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n".encode()
                + b"x-request-id: a\xc2\x9b2J\r\nuser-agent: \xc2\x9b2J\r\n"
                + b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            )
            while client.recv(4096):
                pass
    wait_for(lambda: "evil" in daemon.log(), what="the path in the log")
    written = daemon.log_path.read_bytes().decode()
    said = re.sub(r"\x1b\[(?:[0-2]|[34][0-7])m", "", written)
    assert r"\u001b[31m" in said, "shown, not obeyed"
    assert not re.findall(CONTROLS, said)
    assert not re.findall(CONTROLS, daemon.supervisorctl("tail", "-9000", "api:api_00").stdout)


def test_secrets_stand_in_no_child_s_environment_or_argument(database_url: str) -> None:
    with DaemonProcess(
        database_url=database_url,
        assignments=["api.processes=1"],
        environment={"AUTOGPT_DB_API_TOKEN": "s3cr3t-token"},
    ) as daemon:
        for name in ("api:api_00", "worker:worker_00"):
            directory = Path(f"/proc/{daemon.pid_of(name)}")
            content = (directory / "environ").read_bytes() + (directory / "cmdline").read_bytes()
            assert b"s3cr3t-token" not in content
            assert b"DATABASE_URL" not in content
        assert daemon.client.post("/get_execution_kv_data", json={}).status_code == 401
        settings = daemon.runtime / "settings.json"
        assert settings.stat().st_mode & 0o777 == 0o600
        assert json.loads(settings.read_text())["api"]["token"] == "s3cr3t-token"
