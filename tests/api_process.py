"""One `autogpt-db api`, started by hand, and raw connections to it."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import psycopg

import plain_http
from daemon_process import PROGRAM, clean_environment
from once import scratch
from postgres_server import with_schema
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TESTS = Path(__file__).parent


class ApiProcess:
    """An API process that serves `extra_operations` beside the package's own.

    Attributes:
        port: Where it listens.
        client: An HTTP client for it.
    """

    def __init__(
        self,
        database_url: str,
        *assignments: str,
        modules: Iterable[str] = ("extra_operations",),
        environment: Mapping[str, str] | None = None,
        stdin: int | socket.socket = subprocess.DEVNULL,
        command: Iterable[str] = (),
    ) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="api-", dir=scratch()))
        self._log = self._directory / "log"
        given = [
            "api.port=0",
            "logging.format=json",
            "database.pool_size=4",  # each connection is a process of PostgreSQL's
            *assignments,
        ]
        self._command = [
            *command,
            str(PROGRAM),
            *(word for one in given for word in ("--set", one)),
            "api",
        ]
        self._environment = clean_environment(TESTS) | {
            "AUTOGPT_DB_CONFIG": "/dev/null",
            "AUTOGPT_DB_STATE_DIRECTORY": str(self._directory),
            "DATABASE_URL": with_schema(database_url),
            "AUTOGPT_DB_TEST_OPERATIONS": ",".join(modules),
            **(environment or {}),
        }
        self._stdin = stdin
        self.port = 0
        self.address = self.base = ""
        self.client = plain_http.client()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens."""
        stdin = self._stdin if isinstance(self._stdin, int) else self._stdin.fileno()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdin=stdin, stdout=log, stderr=log, env=self._environment
            )
        listening = wait_for(self._listening, what="the record that it listens")
        self.address = listening["address"]
        port = self.address.rpartition(":")[2]
        self.port = int(port) if port.isdecimal() else 0  # none where it is a unix socket
        self.base = f"http://127.0.0.1:{self.port}"
        self.client.close()
        self.client = plain_http.client(base_url=self.base, timeout=PATIENCE)

    def stop(self) -> None:
        """End it as hard as can be, and clean up."""
        assert self.process is not None
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def exit_code(self, *, seconds: float = PATIENCE) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the records of one event."""
        whole = self.log().rpartition("\n")[0]  # without a line that is still being written
        records = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [record for record in records if record.get("event") == name]

    def connect(self) -> socket.socket:
        """Open a raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def call(self, method: str, **arguments: Any) -> Any:
        reply = self.client.post(f"/{method}", json=arguments)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return reply.json()

    def _listening(self) -> dict[str, Any] | None:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return next(iter(self.events("listening")), None)


def request(method: str, body: bytes = b"{}", *headers: str, verb: str = "POST") -> bytes:
    """Return a request's bytes."""
    lines = [
        f"{verb} /{method} HTTP/1.1",
        "host: t",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_reply(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one reply; its status is 0 when the connection ended instead."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        # What follows the head belongs to the body, or to the next reply: look, then take.
        seen = received + connection.recv(65536, socket.MSG_PEEK)
        if seen == received:
            return 0, {}, received
        end = seen.find(b"\r\n\r\n")
        wanted = len(seen) if end < 0 else end + 4
        received += connection.recv(wanted - len(received))
    first, *lines = received.decode("latin-1").strip().split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    size = int(headers.get("content-length", "0"))
    body = bytearray()  # bytes would be copied by each piece of what may be megabytes
    while len(body) < size:
        some = connection.recv(size - len(body))
        assert some, "the connection ended in the middle of a reply"
        body += some
    return int(first.split()[1]), headers, bytes(body)


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    received = bytearray()
    while some := connection.recv(65536):
        received += some
    return bytes(received)


def bytes_unread(connection: socket.socket) -> int:
    """Return the bytes of an IPv4 connection that have arrived and that nobody has read."""
    other, own = (port for _, port in (connection.getpeername(), connection.getsockname()))
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (int(local[-4:], 16), int(remote[-4:], 16)) == (other, own):
            return int(queues.partition(":")[2], 16)
    return 0  # it has closed


def resident(pid: int) -> int:
    """Return the bytes of a process that are in RAM."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1024


def pool_figure(api: ApiProcess, name: str) -> float:
    """Return a figure of the process's, which has it once."""
    (line,) = [
        line
        for line in api.client.get("/metrics").text.splitlines()
        if line.startswith((f"autogpt_db_{name}{{", f"autogpt_db_{name} "))
    ]
    return float(line.rpartition(" ")[2])


def running(url: str, what: str) -> list[tuple[int, str]]:
    """Return pid and query of the API's statements that contain `what` and run now."""
    with psycopg.connect(url, autocommit=True) as observer:
        return observer.execute(
            "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE %s",
            (f"%{what}%",),
        ).fetchall()


def written(url: str, key: str) -> bool:
    with psycopg.connect(url, autocommit=True) as observer:
        found = observer.execute(
            'SELECT 1 FROM platform."AgentNodeExecutionKeyValueData" WHERE key = %s', (key,)
        )
        return found.fetchone() is not None


def in_background(call: Any) -> list[httpx.Response]:
    replies: list[httpx.Response] = []
    threading.Thread(target=lambda: replies.append(call()), daemon=True).start()
    return replies
