"""docs/howto/upgrade.md, command by command, where `apt` and `systemctl` are played by the test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db import __version__
from checkout import ROOT
from console_sessions import Shell, steps
from daemon_process import PROGRAM, DaemonProcess
from earlier import VERSION

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs/howto/upgrade.md").read_text("utf-8")


def section(heading: str) -> list[str]:
    """Return the commands below a heading of the page."""
    _, _, text = PAGE.partition(f"\n## {heading}\n")
    return [step.command for step in steps(text.partition("\n## ")[0], prompt="# ")]


class Machine:
    """A machine with 0.1.0's service, as far as the page is concerned.

    Args:
        earlier_program: 0.1.0's program.
        database_url: A database of one's own; None for the private one.
    """

    def __init__(self, earlier_program: Path, database_url: str | None = None) -> None:
        self.service = DaemonProcess(database_url=database_url)
        self._programs = {VERSION: earlier_program, "0.2.0": PROGRAM}
        self._options = self.service.set_arguments()
        self._bin = self.service.directory / "bin"
        self._bin.mkdir()
        self._install(VERSION)

    def type(self, command: str) -> str:
        """Run a command of the page's; return what it printed."""
        print(f"# {command}")
        if found := re.fullmatch(r"apt install \./autogpt-db_([\d.]+)\S*\.deb", command):
            self._install(found[1])
            if self.runs():  # as the package does
                assert self.service.stop() == 0
                self.service.start()
            return ""
        if command.startswith("systemctl stop"):
            assert self.service.stop() == 0
            return ""
        if command.startswith("systemctl start"):
            self.service.start()
            return ""
        command = command.replace("/var/backups", f"{self.service.directory}/backups")
        environment = self.service.environment | {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "AUTOGPT_DB_STATE_DIRECTORY": str(self.service.state),
            "AUTOGPT_DB_RUNTIME_DIRECTORY": str(self.service.runtime),
            "AUTOGPT_DB_API_PORT": str(self.service.port),
        }
        with Shell(self.service.directory, environment) as shell:
            printed = shell.check(command)
        print(printed)
        return printed

    def runs(self) -> bool:
        return self.service.process is not None and self.service.runs()

    def _install(self, version: str) -> None:
        link = self._bin / "autogpt-db"
        link.unlink(missing_ok=True)
        link.symlink_to(self._programs[version])
        self.service.command = [str(link), *self._options]


@pytest.mark.timeout(300)
def test_one_host(earlier_program: Path) -> None:
    machine = Machine(earlier_program)
    with machine.service as service:
        service.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        backup, install, status, doctor = section("One host")
        machine.type(backup)
        assert f"autogpt-db {VERSION}" in machine.type(status)
        machine.type(install)
        assert f"autogpt-db {__version__}" in machine.type(status)
        assert "fail" not in machine.type(doctor)
        assert service.call("get_execution_kv_data", user_id="u", key="k") == 1


@pytest.mark.timeout(300)
def test_it_is_asked_before_and_the_way_back_is_open(
    earlier_program: Path, empty_database: str
) -> None:
    machine = Machine(earlier_program, empty_database)
    _, check = (step.command for step in steps(PAGE.partition("\n## ")[0], prompt="# "))
    with machine.service as service:
        machine.type(check.replace(".venv/bin/autogpt-db", str(PROGRAM)))
        with psycopg.connect(empty_database) as connection:
            query = "SELECT count(*) FROM autogpt_db.migration WHERE number > 7"
            assert connection.execute(query).fetchone() == (0,), "it has only looked"
        machine.type(section("One host")[1])
        service.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        back = section("The way back")
        for command in back:
            machine.type(command)
        assert f"autogpt-db {VERSION}" in machine.type("autogpt-db status")
        assert service.call("get_execution_kv_data", user_id="u", key="k") == 1
        service.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=2)
        machine.type(section("One host")[1])
        assert f"autogpt-db {__version__}" in machine.type("autogpt-db status")
        assert service.call("get_execution_kv_data", user_id="u", key="k") == 2
        assert "fail" not in machine.type("autogpt-db doctor")
