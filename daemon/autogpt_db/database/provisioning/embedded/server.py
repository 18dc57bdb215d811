"""The embedded server: one call makes what is missing and returns when it serves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Self

from autogpt_db.database.provisioning.directory_lock import make_directory, unusable
from autogpt_db.database.provisioning.embedded.account import check_passage, choose_account
from autogpt_db.database.provisioning.embedded.binaries import find_binaries
from autogpt_db.database.provisioning.embedded.cluster import data_version, initialise
from autogpt_db.database.provisioning.embedded.postmaster import (
    end_leftovers,
    end_postmaster,
    read_pid_file,
)
from autogpt_db.database.provisioning.embedded.programs import (
    environment,
    signals_held,
    start_process,
)
from autogpt_db.database.quoting import quoted
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError
from autogpt_db.logs.events import embedded as log

if TYPE_CHECKING:
    from pathlib import Path

    from autogpt_db.database.provisioning.embedded.binaries import Binaries
    from autogpt_db.database.provisioning.embedded.programs import Account
    from autogpt_db.settings import EmbeddedSettings

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which the server's own log starts anew."""

_PORT = 5432  # only names the socket
_LONGEST_SOCKET_PATH = 107  # sun_path of unix(7), without the NUL that ends it
_RECOVERY = 300.0  # seconds; crash recovery reads at most max_wal_size, normally in far less
_FATAL = re.compile(r"(?:FATAL|PANIC):\s+(.*)")
# What only a person mends: systemd must not start us again and again.
_FOR_GOOD = re.compile(
    r"[Pp]ermission denied|invalid permissions|wrong ownership|not permitted|incompatible"
    r"|configuration file|configuration parameter|invalid value|invalid primary checkpoint",
)


class EmbeddedServer:
    """A running PostgreSQL on a unix socket below the state directory.

    Supervision adopts it and starts it again with the same command line when it dies.

    Attributes:
        pid: The postmaster that `start` started.
        command: Its command line, durable settings and all.
        environment: Its whole environment.
        user_id: Whom to become before starting it; None: nobody else.
        group_id: The group likewise, and the only one.
        directory: The data.
        socket_directory: What libpq calls its host.
        version: Of PostgreSQL, `18.6`.
        log_path: Where the first postmaster writes. A file never blocks it, and outlives us.
        log_begins: How long that file was before it.
    """

    def __init__(
        self,
        place: Path,
        binaries: Binaries,
        account: Account | None,
        settings: EmbeddedSettings,
    ) -> None:
        self.directory = place / "data"
        self.socket_directory = place / "socket"
        self.log_path = place / "postgresql.log"
        self.version = binaries.version
        self.account = account
        self.user_id = account.user_id if account else None
        self.group_id = account.group_id if account else None
        self.environment = environment()
        self.command = _command(self, binaries, settings)
        self.pid = 0
        self.log_begins = 0
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, state: Path, settings: EmbeddedSettings) -> Self:
        """Start the server below `state` and return it once it serves.

        The caller holds the state directory's lock, so that whatever still runs on the data was
        left by a killed daemon: it is ended first. Call it in the main thread (see
        `start_process`).

        Args:
            state: The state directory.
            settings: Binaries, account and sizes.

        Raises:
            ConfigurationError: A path, an account, the binaries or the data are at fault.
            DatabaseUnreachableError: PostgreSQL ended, or did not get ready.
        """
        began = time.monotonic()
        place = state.absolute() / "postgresql"
        _check_path(place / "socket")
        data = place / "data"
        try:
            make_directory(place)
            account = choose_account(settings.user, data)
            check_passage(account, place)
            major = data_version(data)
            binaries = find_binaries(settings, account, major, place)
            server = cls(place, binaries, account, settings)
            if major is None:
                initialise(binaries, account, data)
            else:
                end_leftovers(data)
            server.clear_socket_directory()
            server.launch()
        except OSError as error:
            raise unusable(state, error) from None
        log.embedded_started(
            version=server.version,
            directory=str(data),
            pid=server.pid,
            seconds=round(time.monotonic() - began, 2),
            **({"account": account.name} if account else {}),
        )
        return server

    def stop(self) -> None:
        """End the server if it still runs, whoever started it last; wait until it has ended."""
        began = time.monotonic()
        pid = end_postmaster(self.directory)
        if self._process is not None and self._process.poll() is None:
            # Ours, without a postmaster.pid: it hasn't got so far, or is done with all but dying.
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if pid is not None:
            log.embedded_stopped(pid=pid, seconds=round(time.monotonic() - began, 2))

    def trim_log(self) -> bool:
        """Empty the log file when it has grown beyond `LOG_LIMIT`; its writer appends, and goes on.

        Returns:
            Whether it was emptied.

        Raises:
            OSError: The file cannot be written to.
        """
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT:
            os.truncate(self.log_path, 0)
            return True
        return False

    def clear_socket_directory(self) -> None:
        """Make the directory that guards the socket, and remove what a dead server left in it."""
        directory = self.socket_directory
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None:
            os.chown(directory, self.account.user_id, self.account.group_id)
        directory.chmod(0o700)
        for left in directory.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def launch(self) -> None:
        """Start the postmaster and wait until it serves."""
        self.trim_log()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        output = os.open(self.log_path, flags, 0o600)
        with signals_held() as let_through:
            try:
                self.log_begins = written = os.fstat(output).st_size
                self._process = start_process(
                    self.command,
                    self.account,
                    # A killed main takes PostgreSQL along, by a fast shutdown.
                    death_signal=signal.SIGINT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    env=self.environment,
                    # Ctrl-C on a terminal is main's business: PostgreSQL goes last.
                    start_new_session=True,
                )
            finally:
                os.close(output)
            self.pid = self._process.pid
            try:
                let_through()
                self._wait_until_ready(written)
            except BaseException:
                self.stop()
                raise

    def _wait_until_ready(self, written: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _RECOVERY
        while True:
            known = read_pid_file(self.directory)
            if known is not None and known.ready and known.pid == self.pid:
                return
            if self._process.poll() is not None:
                raise self._failure(written)
            if time.monotonic() > deadline:
                raise DatabaseUnreachableError(
                    f"The embedded PostgreSQL in {self.directory} was not ready after "
                    f"{_RECOVERY:g} s; {self.log_path} tells what it was doing."
                )
            time.sleep(0.005)

    def _failure(self, written: int) -> Exception:
        with self.log_path.open("rb") as file:
            file.seek(written)
            text = file.read(65536).decode("utf-8", "replace")
        lines = text.strip().splitlines()
        reason = (_FATAL.findall(text) or lines[-1:] or ["it gave no reason"])[0]
        kind = ConfigurationError if _FOR_GOOD.search(text) else DatabaseUnreachableError
        return kind(
            f"The embedded PostgreSQL in {self.directory} did not start: {reason.rstrip('.')}. "
            f"{self.log_path} has the rest."
        )


def _check_path(socket_directory: Path) -> None:
    path = socket_directory / f".s.PGSQL.{_PORT}"
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"state_directory: the socket's path {path} has {len(os.fsencode(path))} bytes; the "
            f"system allows {_LONGEST_SOCKET_PATH}. Set state_directory to a shorter path."
        )
    if "," in str(path):
        raise ConfigurationError(
            f"state_directory: {path} holds a comma, which PostgreSQL's clients read as a list of "
            "hosts. Set state_directory to a path without."
        )


def _command(server: EmbeddedServer, binaries: Binaries, settings: EmbeddedSettings) -> list[str]:
    """Return the postmaster's command line.

    What stands here wins over data/postgresql.conf, where an operator may set everything else.
    """
    values = {
        # What is acknowledged is on the disk.
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        # Nothing but the socket, and nobody but its owner and root on the way to it.
        "listen_addresses": "",
        "port": str(_PORT),
        "unix_socket_directories": quoted(str(server.socket_directory)),
        "unix_socket_permissions": "0700",
        "max_connections": str(settings.max_connections),
        "shared_buffers": f"{settings.shared_buffers}MB",
        # Crash recovery stays short, and full-page images small.
        "checkpoint_timeout": "5min",
        "max_wal_size": "1GB",
        "wal_compression": "on",
        # Statements here are short: compiling them costs more than it saves.
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # Standard error only: supervision captures it.
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] %q%a ",
        "log_checkpoints": "off",
        "cluster_name": "autogpt-db",
    }
    command = [str(binaries.directory / "postgres"), "-D", str(server.directory)]
    for name, value in values.items():
        command += ["-c", f"{name}={value}"]
    return command
