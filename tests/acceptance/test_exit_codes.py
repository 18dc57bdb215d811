"""How the service ends, and what it says: docs/reference/exit-codes.md."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from autogpt_db.supervision.unit import has_socket_unit
from daemon_process import LEAN, DaemonProcess, free_port, processes_of


def ended(daemon: DaemonProcess) -> int:
    daemon.launch()
    return daemon.exit_code()


MakeDaemon = Callable[..., DaemonProcess]


@pytest.fixture
def make_daemon(request: pytest.FixtureRequest) -> MakeDaemon:
    def make(**arguments: Any) -> DaemonProcess:
        daemon = DaemonProcess(**arguments)
        request.addfinalizer(daemon.__exit__)
        return daemon

    return make


def test_a_wrong_option_is_78_and_every_fault_is_named(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(assignments=["api.prot=1", "api.processes=x"])
    assert ended(daemon) == 78
    assert "did you mean api.port?" in daemon.log()
    assert "api.processes: expected" in daemon.log()
    assert "Traceback" not in daemon.log()


def test_an_unreachable_database_is_69_and_says_where_and_why(make_daemon: MakeDaemon) -> None:
    port = free_port()
    daemon = make_daemon(
        database_url=f"postgresql://u:hunter2@127.0.0.1:{port}/d",
        assignments=["database.startup_timeout=1"],
    )
    assert ended(daemon) == 69
    assert f"PostgreSQL at 127.0.0.1:{port} did not answer within 1 s" in daemon.log()
    assert "hunter2" not in daemon.log()
    assert any("waiting for PostgreSQL" in words for words in daemon.read_notifications())


def test_an_incomplete_schema_is_78_names_everything_missing_and_changes_nothing(
    make_daemon: MakeDaemon, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA autogpt_db CASCADE")
        connection.execute('DROP TABLE platform."AgentNodeExecutionKeyValueData"')
        connection.execute('ALTER TABLE platform."AgentGraph" DROP COLUMN instructions')
    daemon = make_daemon(database_url=database_url)
    assert ended(daemon) == 78
    assert "AgentNodeExecutionKeyValueData" in daemon.log()
    assert "instructions" in daemon.log()
    with psycopg.connect(database_url) as connection:
        schemas = connection.execute("SELECT nspname FROM pg_namespace").fetchall()
    assert ("autogpt_db",) not in schemas


def test_a_taken_port_is_71_and_names_the_holder(
    make_daemon: MakeDaemon, database_url: str
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        daemon = make_daemon(database_url=database_url, assignments=[f"api.port={port}"])
        assert ended(daemon) == 71
        assert f"127.0.0.1:{port}" in daemon.log()
        assert processes_of(daemon.directory) == []


def test_an_address_of_another_machine_is_78_for_the_check_as_well(
    make_daemon: MakeDaemon, database_url: str
) -> None:
    if has_socket_unit():
        pytest.skip("here systemd says where the service listens")
    assignments = ["api.host=192.0.2.1", "api.trusted_network=true"]
    daemon = make_daemon(database_url=database_url, assignments=assignments)
    checked = daemon.run("check", "--here")
    assert checked.returncode == 78, checked
    assert "cannot listen at 192.0.2.1" in checked.stderr
    assert ended(daemon) == 78
    (record,) = daemon.events("configuration_invalid")
    assert record["problem"] in checked.stderr


@pytest.mark.parametrize("option", ["state_directory", "runtime_directory"])
def test_two_daemons_cannot_share_a_directory(
    make_daemon: MakeDaemon, database_url: str, option: str
) -> None:
    # With a database of its own, a daemon holds no data that another one could spoil.
    url = database_url if option == "runtime_directory" else None
    first = make_daemon(database_url=url, started_before=url is None, assignments=LEAN)
    first.start()
    second = make_daemon(directory=first.directory, database_url=url)
    second.log_path = first.directory / "second.log"
    second._notify_path = first.directory / "second.notify"
    assert ended(second) == 71
    held = first.runtime if option == "runtime_directory" else first.state
    assert f"The {option.replace('_', ' ')} {held}" in second.log()
    assert f"directory of its own: {option}." in second.log()
    assert str(first.pid) in second.log()
    assert first.call("health_check") == "OK"
    assert first.stop() == 0


def test_asked_to_stop_is_0_even_while_waiting_for_the_database(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(database_url=f"postgresql://u@127.0.0.1:{free_port()}/d")
    daemon.launch()
    daemon.wait_notified("waiting for PostgreSQL")
    assert daemon.stop() == 0
    assert processes_of(daemon.directory) == []
