"""The benchmark's own PostgreSQL: the packaged one, durable, and databases in it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from autogpt_db.database.provisioning.directory_lock import DirectoryLock
from autogpt_db.database.provisioning.embedded import EmbeddedServer
from autogpt_db.errors import ResourceTakenError
from autogpt_db.settings import EmbeddedSettings

if TYPE_CHECKING:
    from typing import LiteralString

# Not /tmp, which may be memory: what is measured includes the disk's flush.
DIRECTORY = Path(
    os.environ.get("AUTOGPT_DB_BENCH_DIRECTORY", f"/var/tmp/autogpt-db-bench-{os.getuid()}")
)
SETTINGS = EmbeddedSettings(shared_buffers=1024, max_connections=300)
# The first change of a page after a checkpoint costs many times the others. None happens within a
# benchmark, so that nobody is measured in the wake of one and nobody else.
_WITHOUT_CHECKPOINTS = {"checkpoint_timeout": "1d", "max_wal_size": "20GB"}


class Server:
    """The running server. Its data stays from one run to the next: making it takes minutes."""

    def __init__(self) -> None:
        DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._lock = DirectoryLock(DIRECTORY)
        try:
            self._lock.__enter__()
        except ResourceTakenError:
            raise SystemExit(
                f"Another benchmark is running in {DIRECTORY}; wait for it, or give this one a "
                "directory of its own: AUTOGPT_DB_BENCH_DIRECTORY."
            ) from None
        self._server = EmbeddedServer.start(DIRECTORY, SETTINGS)
        self._server.stop()
        for name, value in _WITHOUT_CHECKPOINTS.items():
            self._server.command += ["-c", f"{name}={value}"]
        self._server.launch()
        self.binaries = Path(self._server.command[0]).parent
        self.socket_directory = self._server.socket_directory
        self.version = self._server.version
        self.pid = self._server.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.stop()
        self._lock.__exit__(None, None, None)

    def url(self, database: str) -> str:
        return f"postgresql://autogpt_db@/{database}?host={self.socket_directory}"

    def connect(self, database: str = "autogpt_db") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url(database), autocommit=True)

    def execute(self, sql: LiteralString, *parameters: object, database: str = "autogpt_db") -> Any:
        """Run a statement; return its rows, if it has any."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def exists(self, database: str) -> bool:
        return bool(self.execute("SELECT 1 FROM pg_database WHERE datname = %s", database))

    def drop(self, database: str) -> None:
        self._maintain(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def create(self, database: str, template: str | None = None) -> None:
        self.drop(database)
        source = f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""
        self._maintain(f'CREATE DATABASE "{database}"{source}')

    def rename(self, database: str, name: str) -> None:
        self._maintain(f'ALTER DATABASE "{database}" RENAME TO "{name}"')

    def pids(self) -> list[int]:
        """Return its processes that are alive now."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def checkpoint(self) -> None:
        """Write out what the one before has left, so that everybody starts alike."""
        self.execute("CHECKPOINT")

    def _maintain(self, sql: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())

    def flush_milliseconds(self, times: int = 200) -> float:
        """Return what it costs to flush one page to the disk that holds the data: the median."""
        path = DIRECTORY / "flush-test"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            page = bytes(8192)
            os.pwrite(descriptor, page * 128, 0)
            os.fsync(descriptor)
            taken = []
            for number in range(times):
                started = time.perf_counter()
                os.pwrite(descriptor, page, number % 128 * len(page))
                os.fdatasync(descriptor)
                taken.append(time.perf_counter() - started)
        finally:
            os.close(descriptor)
            path.unlink()
        return sorted(taken)[times // 2] * 1000
