"""A real PgBouncer in transaction mode before a test's PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from autogpt_db.database.url import DatabaseUrl
from daemon_process import free_port
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

PGBOUNCER = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
"""The program, or None where it isn't installed."""


class PgBouncer:
    """One PgBouncer in transaction mode.

    Args:
        database_url: What it leads to.
        pool_size: Its connections to PostgreSQL.
        settings: Others of its own.

    Attributes:
        url: What its clients connect to.
        process: It, while it runs.
    """

    def __init__(
        self, database_url: str, *, pool_size: int = 1, settings: Mapping[str, str] | None = None
    ) -> None:
        assert PGBOUNCER is not None, "skip where it isn't installed"
        target = DatabaseUrl.parse(database_url)
        parameters = target.parameters
        self._directory = Path(tempfile.mkdtemp(prefix="adb-", dir="/tmp"))
        self._directory.chmod(0o777)
        self._port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        user = parameters.get("user", "")
        self.url = (
            f"postgresql://{user}@127.0.0.1:{self._port}/{parameters['dbname']}"
            f"?schema={target.schema}&pgbouncer=true"
        )
        server = " ".join(
            f"{key}={parameters[key]}"
            for key in ("host", "port", "user", "password")
            if key in parameters
        )
        self._settings = {
            "pool_mode": "transaction",
            "default_pool_size": str(pool_size),
            "server_round_robin": "1",
            "server_login_retry": "1",
        } | dict(settings or {})
        # And any other database of that server, by its own name.
        self._head = (
            f"[databases]\n{parameters['dbname']} = {server}\n* = {server}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\n"
            f"auth_type = any\nauth_file = {self._directory}/users\n"
        )
        (self._directory / "users").write_text(f'"{user}" ""\n')
        self._write()
        self._command = [PGBOUNCER, str(self._directory / "pgbouncer.ini")]
        if os.geteuid() == 0:  # which it refuses to run as
            self._command = [
                "setpriv", f"--reuid={_account(parameters)}", "--clear-groups", *self._command
            ]  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        wait_for(self._listens, what="PgBouncer")

    def _write(self) -> None:
        lines = "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        (self._directory / "pgbouncer.ini").write_text(self._head + lines)

    def change(self, **settings: str) -> None:
        """Have it go on with other settings."""
        assert self.process is not None
        self._settings |= settings
        self._write()
        self.process.send_signal(signal.SIGHUP)

    def restart(self) -> None:
        """Begin anew, with sessions of the server's that remember nothing."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """Kill it as hard as can be."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "PgBouncer ended by itself"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def _account(parameters: Mapping[str, str]) -> int:
    """Return whom the server's socket directory belongs to: that account reaches it."""
    host = parameters.get("host", "")
    return Path(host).stat().st_uid if host.startswith("/") else pwd.getpwnam("nobody").pw_uid
