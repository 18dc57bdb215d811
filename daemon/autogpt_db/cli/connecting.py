"""Connections for commands: to the database itself, beside the daemon, and to the daemon."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import psycopg

    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import Settings


def connect(
    settings: Settings, name: str, *, bounded: bool = True
) -> tuple[psycopg.Connection[Any], DatabaseUrl]:
    """Return a connection in autocommit mode, and where it leads to.

    Args:
        settings: Where the database is.
        name: The command, for `pg_stat_activity`.
        bounded: Whether it waits for locks, and for answers, no longer than calls do. Behind a
            transaction pooler, whose sessions others have next, that is not for us to say.

    Raises:
        ConfigurationError: A file that TLS needs is missing, or we are refused for good.
        DatabaseUnreachableError: Nobody answers there.
    """
    import psycopg

    from autogpt_db.database import hosts
    from autogpt_db.database.causes import lasting_failure, lasts, refusal_of, unreachable
    from autogpt_db.database.reasons import raw_reason, reason_of
    from autogpt_db.database.url import direct_database_url

    target = direct_database_url(settings)
    target.verify_files()
    options = settings.database
    conninfo = target.conninfo(
        connect_timeout=options.connect_timeout,
        application_name=f"autogpt-db {name}",
        **(bounds(options.statement_timeout, options.lock_timeout) if bounded else {}),
    )
    try:
        connection = hosts.connect(conninfo)
    except psycopg.OperationalError as error:
        reason, refusal = reason_of(error, target), refusal_of(raw_reason(error))
        if lasts(error) and (lasting := lasting_failure(refusal, reason, target, "database.url")):
            raise lasting from None
        start = "start the daemon first: autogpt-db run" if target.embedded else "is it running?"
        raise unreachable(refusal, reason, target, start) from None
    return connection, target


def bound(connection: psycopg.Connection[Any], settings: Settings, target: DatabaseUrl) -> None:
    """Let an unbounded session wait no longer than calls do, from now on.

    Args:
        connection: In autocommit mode.
        settings: How long that is.
        target: Where it leads to; behind a transaction pooler nothing is set.
    """
    if target.pgbouncer:
        return
    options = settings.database
    for name, value in bounds(options.statement_timeout, options.lock_timeout).items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def admin_address(settings: Settings) -> str:
    """Return where the admin listener is, as `http_connection` takes it."""
    admin = settings.admin
    if admin.host.startswith("/"):
        return f"unix:{admin.host}"
    host = f"[{admin.host}]" if ":" in admin.host else admin.host
    return f"http://{host}:{admin.port}"


def bounds(statement_timeout: float, lock_timeout: float) -> dict[str, str]:
    """Return the settings of a session whose statements wait for so many seconds at most."""
    return {
        "statement_timeout": str(int(statement_timeout * 1000)),
        "lock_timeout": str(int(lock_timeout * 1000)),
    }


def http_connection(address: str, *, timeout: float) -> http.client.HTTPConnection:
    """Return an HTTP connection to one of the daemon's addresses; it is opened when it is used.

    Args:
        address: As the daemon's status has it: `http://127.0.0.1:8005` or `unix:/run/…`.
        timeout: Seconds for each step.
    """
    if address.startswith("unix:"):
        return _UnixConnection(address.removeprefix("unix:"), timeout=timeout)
    parts = urlsplit(address)
    host = parts.hostname or ""
    called = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what to call
    return http.client.HTTPConnection(called, parts.port, timeout=timeout)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
