"""Ask a running daemon for its tree, from any shell of its owner."""

from __future__ import annotations

import http.client
import json
import socket
import xmlrpc.client
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

from supervisor.xmlrpc import Faults, SupervisorTransport

from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.supervision.configuration import CONTROL_SOCKET
from autogpt_db.supervision.unit import not_answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 30.0
"""Seconds for which the daemon is waited for: it answers at once, unless it is frozen."""
_COLUMNS = ("process", "state", "pid", "uptime", "restarts", "pool", "last exit")


def read_status(runtime: Path, patience: float = PATIENCE) -> dict[str, Any]:
    """Return what `control.ControlInterface.status` says.

    Args:
        runtime: The daemon's runtime directory.
        patience: Seconds for which it is waited for.

    Raises:
        DatabaseUnreachableError: No daemon answers there.
    """
    with connected(runtime, patience) as daemon:
        tree: dict[str, Any] = json.loads(str(daemon.autogpt_db.status()))
    return tree


@contextmanager
def connected(
    runtime: Path, patience: float | None = PATIENCE
) -> Iterator[xmlrpc.client.ServerProxy]:
    """Yield the XML-RPC interface of the daemon whose runtime directory this is.

    Args:
        runtime: The directory.
        patience: Seconds for which each answer is waited for; None for as long as it takes, for
            what has to be done before it is answered.

    Raises:
        DatabaseUnreachableError: No daemon answers there, in time, or not to this user.
    """
    transport = _Transport(runtime / CONTROL_SOCKET, patience)
    try:
        yield xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != Faults.SHUTDOWN_STATE:
            raise
        raise DatabaseUnreachableError(
            "The daemon is stopping. Try again when it is back."
        ) from None
    except PermissionError:
        raise DatabaseUnreachableError(
            f"{runtime / CONTROL_SOCKET} belongs to another user. Run this as root (sudo), or as "
            "the user that the daemon runs under."
        ) from None
    except (OSError, xmlrpc.client.Error, http.client.HTTPException, ExpatError) as error:
        raise DatabaseUnreachableError(
            not_answering(str(runtime / CONTROL_SOCKET), error)
        ) from None
    finally:
        transport.close()


class _Transport(SupervisorTransport):  # type: ignore[misc]
    """Supervisor's way to a daemon, which by itself waits for ever."""

    def __init__(self, path: Path, patience: float | None) -> None:
        super().__init__(None, None, f"unix://{path}")
        self._get_connection = lambda: _Connection(path, patience)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience: float | None) -> None:
        super().__init__("localhost")
        self._path, self._patience = path, patience

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._patience)
        self.sock.connect(str(self._path))


def format_status(tree: dict[str, Any], *, as_json: bool) -> str:
    """Return the tree for people, or as indented JSON.

    Args:
        tree: What `read_status` returned.
        as_json: For machines.
    """
    if as_json:
        return json.dumps(tree, indent=2)
    rows = [_COLUMNS, *(_row(process) for process in tree["processes"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [f"autogpt-db {tree['version']}, pid {tree['pid']}: {tree['words']}"]
    lines += [f"listening on {address}" for address in tree["address"]]
    lines += _schema(tree.get("schema"))
    lines.append("")
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _schema(found: dict[str, Any] | None) -> Iterator[str]:
    if not found:
        return
    release = found["release"]
    words = f"AutoGPT's schema looks like {release}" if release else "AutoGPT's schema"
    yield f"{words}: {found['methods']} methods are served"
    if found["not_served"]:
        more = found["not_served"] - len(found["lacking"])
        names = ", ".join(found["lacking"]) + (f" and {more} more" if more else "")
        yield f"not served, for the database lacks what they need (see doctor): {names}"


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    pool = process["pool"]
    figures = "-"
    if pool:
        figures = f"{pool['in_use']}/{pool['size']} in use, {pool['waiting']} waiting"
        if pool.get("stray"):
            figures += f", {pool['stray']} astray"
        if pool["longest_holder"]:
            figures += f", {pool['longest_holder']} for {pool['longest_holder_seconds']:.1f} s"
    return (
        process["name"],
        process["state"],
        str(process["pid"] or "-"),
        _duration(process["uptime_seconds"]),
        str(process["restarts"]),
        figures,
        process["last_exit"] or "-",
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (
        f"{days}d {hours:02}:{minutes:02}:{rest:02}"
        if days
        else f"{hours:02}:{minutes:02}:{rest:02}"
    )
