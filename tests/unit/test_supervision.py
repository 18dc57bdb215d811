"""The parts of supervision that need no process: pauses, the rendered file, heartbeats, sockets."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import ClientOptions, ServerOptions

from autogpt_db.database.pool.connections import PoolFigures
from autogpt_db.errors import ConfigurationError
from autogpt_db.heartbeat import SUPERVISED, Heartbeat
from autogpt_db.settings import Settings, load_settings
from autogpt_db.settings.sources import is_configuration
from autogpt_db.supervision import clock
from autogpt_db.supervision.announcing import pool_trouble
from autogpt_db.supervision.beats import HeartbeatReceiver
from autogpt_db.supervision.configuration import packaged_text, render, write_configuration
from autogpt_db.supervision.control import is_failing
from autogpt_db.supervision.kinds import ReportingProcess
from autogpt_db.supervision.process import FIRST_PAUSE, LASTING, States, pause_before_restart


@given(st.integers(1, 10_000), st.floats(1, 600))
def test_the_pause_grows_to_its_bound_and_never_beyond(failures: int, longest: float) -> None:
    pause = pause_before_restart(failures, longest)
    assert 0 <= pause <= longest
    if failures == 1:
        assert pause == 0
    else:
        assert pause >= 0.5 * min(longest, FIRST_PAUSE)
    if failures > 12:
        assert pause >= 0.5 * longest


def settings_in(directory: Path, *assignments: str) -> Settings:
    return load_settings(
        assignments=[
            f"state_directory={directory}",
            f"runtime_directory={directory}",
            *assignments,
        ],
        environment={},
    ).settings


@pytest.mark.parametrize("name", ["plain", "with space", "a'b", "ünï"])
def test_stock_supervisor_reads_what_is_rendered(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    settings = settings_in(directory, "api.processes=3", "worker.processes=2")
    file = write_configuration(render(settings, "127.0.0.1:8005", None), directory)
    assert file.stat().st_mode & 0o777 == 0o600
    server = ServerOptions()
    server.realize(args=["-c", str(file)], doc="", progname="supervisord")
    names = {
        process.name: process
        for group in server.process_group_configs
        for process in group.process_configs
    }
    assert set(names) == {"api_00", "api_01", "api_02", "worker_00", "worker_01"}
    assert names["api_00"].environment[SUPERVISED] == str(directory)
    assert server.server_configs[0]["file"] == str(directory / "supervisor.sock")
    client = ClientOptions()
    client.realize(args=["-c", str(file), "status"], doc="")
    assert client.serverurl == f"unix://{directory}/supervisor.sock"


def test_no_worker_processes_means_no_worker_program(tmp_path: Path) -> None:
    text = render(settings_in(tmp_path, "worker.processes=0"), "127.0.0.1:8005", None)
    assert "[program:worker]" not in text
    assert "[fcgi-program:api]" in text


def test_nothing_is_left_to_fill_in_and_every_variable_has_its_value(tmp_path: Path) -> None:
    assert "%(ENV_AUTOGPT_DB_TREE_" in packaged_text()
    tree = render(settings_in(tmp_path), "127.0.0.1:8005", None).partition("[supervisord]")[2]
    assert "%(ENV_" not in tree


def test_too_long_a_directory_is_refused_by_name(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100)
    with pytest.raises(ConfigurationError, match=r"runtime_directory: .*dddd.* too long"):
        write_configuration("", directory)


def test_a_percent_sign_is_refused_because_supervisor_expands_it_twice(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="percent"):
        write_configuration("", tmp_path / "100%")


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("DATABASE_URL", True),
        ("DIRECT_URL", True),
        ("AUTOGPT_DB_API_TOKEN", True),
        ("NOTIFY_SOCKET", True),
        ("LISTEN_FDS", True),
        ("AUTOGPT_DB_SUPERVISED", False),
        ("AUTOGPT_DB_TREE_FORMAT", False),
        ("PATH", False),
        ("PYTHONPATH", False),
    ],
)
def test_children_see_no_secret_in_their_environment(name: str, hidden: bool) -> None:
    assert is_configuration(name) is hidden


class Beats(ReportingProcess):
    """A process as far as heartbeats are concerned."""

    def __init__(self) -> None:
        self.seen: list[tuple[bool, Mapping[str, Any], tuple[str, ...]]] = []
        self.schemas: list[Mapping[str, Any] | None] = []

    def note_beat(
        self,
        *,
        up: bool,
        ready: bool,
        pool: Mapping[str, Any],
        work: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
        complaint: str | None = None,
    ) -> None:
        self.seen.append((ready, pool, work))
        self.schemas.append(schema)
        self.up, self.complaint = up, complaint


class Watched(ReportingProcess):
    """A running process as far as `watch` is concerned."""

    name = "api_00"

    def __init__(self) -> None:
        self.pid = 1
        self.complaint = None
        self.state = States.RUNNING
        self.laststart = self.last_beat = clock.now()
        self.replaced_for = None
        self.work = ()
        self.pool = {}

    def replace(self, reason: str, kind: str) -> None:
        self.replaced_for = f"{kind}: {reason}"


def test_an_outage_of_ten_minutes_replaces_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = 0.0
    monkeypatch.setattr(clock, "now", lambda: passed)
    process = Watched()
    nothing = PoolFigures(0, 0, 200, None, 0.0, failure="nobody listens there")
    for _ in range(600):
        passed += 1.0
        process.note_beat(up=True, ready=True, pool=dataclasses.asdict(nothing))
        process.watch()
        assert process.replaced_for is None
    assert pool_trouble(process) == ["the database cannot be reached (nobody listens there)"]
    passed += process.heartbeat_timeout + 0.1
    process.watch()
    assert process.replaced_for == "no heartbeat: no heartbeat for 4.1 s", "silence does"


def test_who_cannot_work_is_not_running_to_anybody_and_not_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 0.0
    monkeypatch.setattr(clock, "now", lambda: passed)
    process = Watched()
    process.state = States.STARTING
    nothing = dataclasses.asdict(PoolFigures(0, 0, 0, None, 0.0))
    for _ in range(600):
        passed += 1.0
        process.note_beat(up=True, ready=False, pool=nothing, complaint="no queue: it was lost")
        process.watch()
        assert process.replaced_for is None
        assert not process.serves
    assert pool_trouble(process) == ["api_00 cannot work (no queue: it was lost)"]
    process.state = States.RUNNING
    assert process.get_state() == States.STARTING
    process.note_beat(up=True, ready=True, pool=nothing)
    assert process.get_state() == States.RUNNING
    assert process.serves
    process.up, process.state, process.laststart = False, States.STARTING, passed
    passed += process.ready_timeout + 0.1
    process.watch()
    assert process.replaced_for == "not ready: not ready within 30 s", "who never comes up is"


def test_who_fails_again_and_again_is_failing_until_he_has_served_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 0.0
    monkeypatch.setattr(clock, "now", lambda: passed)
    process = Watched()
    process.failures, process.ready_since = 1, None
    assert not is_failing(process), "once is no habit"
    process.failures = 2
    assert is_failing(process), "while it starts"
    process.ready_since = passed
    assert is_failing(process), "in the moment in which it is up"
    passed += LASTING
    assert not is_failing(process)


def test_a_heartbeat_is_known_by_its_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SUPERVISED, str(tmp_path))
    mine, other = Beats(), Beats()
    receiver = HeartbeatReceiver(tmp_path, {os.getpid(): mine, os.getppid(): other})
    try:
        heartbeat = Heartbeat(tmp_path)
        heartbeat.beat({"size": 3}, ["a long job at 7 %"])
        heartbeat.up()
        receiver.receive()
        assert mine.schemas == [None, None]
        heartbeat.beat({}, schema={"release": "v0.6.59"})
        receiver.receive()
        assert mine.schemas[2:] == [{"release": "v0.6.59"}]
        assert mine.seen.pop() == (True, {}, ())
        assert mine.seen == [(False, {"size": 3}, ("a long job at 7 %",)), (True, {}, ())]
        assert other.seen == []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            for message in (b"\xff", b"[]", b"{}", json.dumps({"ready": 1, "pool": 1}).encode()):
                stranger.sendto(message, str(tmp_path / "heartbeat.sock"))
        receiver.receive()
        assert len(mine.seen) == 2
    finally:
        receiver.close()
    heartbeat.beat({})  # nobody listens, nothing happens
    heartbeat.close()


def test_without_a_supervisor_a_heartbeat_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SUPERVISED, raising=False)
    Heartbeat(tmp_path).up()


def test_supervisor_s_clock_ignores_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    import supervisor.process

    clock.install()
    before = supervisor.process.time.time()
    monkeypatch.setattr(time, "time", lambda: before + 86400)
    assert supervisor.process.time.time() - before < 3600
